// Now: every device with its channels, as they are published.
import { h, svg, text, toggle, swap, breakable } from './dom.js'
import { t } from './i18n.js'
import { value, span } from './format.js'
import { store, on, now, may, stale, key, notWell, favourites, setFavourite, deviceOf } from './store.js'
import { badge, setBadge, reason, since, look, split } from './state.js'
import { Spark } from './spark.js'
import { control } from './command.js'

// Row is one channel in a card.
class Row {
  constructor(c, d) {
    this.c = c
    this.d = d
    this.spark = new Spark(c)
    this.value = h('span.number')
    this.age = h('td.age')
    this.why = h('td', { colspan: 5 })
    this.whyRow = h('tr.why', { hidden: true }, this.why)
    this.star = star(c)
    this.el = h('tr.channel',
      h('th', { scope: 'row' }, h('a', { href: plotLink(c) }, breakable(c.name))),
      h('td.line', this.spark.el),
      h('td.value', this.value, c.unit ? h('span.unit', c.unit) : null),
      this.age, h('td.fav', this.star))
    this.control = c.writable ? control(c) : null
    if (this.control) this.controlRow = h('tr.act', h('td', { colspan: 5 }, this.control.el))
    this.update()
  }

  rows() { return [this.el, this.controlRow, this.whyRow].filter(Boolean) }

  update() {
    const c = this.c
    text(this.value, value(c.value, c))
    this.control?.update()
    this.spark.take(c.value, c.at)
    this.tick()
  }

  // tick is what changes with the time alone.
  tick() {
    const c = this.c
    text(this.age, c.at ? span((now() - c.at) / 1000) : '–')
    toggle(this.el, 'old', stale(c, this.d))
  }

  states() {
    const c = this.c
    // What is wrong with the whole device is said once, at its head.
    const own = c.error && c.error !== this.d.error
    this.whyRow.hidden = !own
    if (own && this.said !== c.error) { this.said = c.error; swap(this.why, badge(c.state), ' ', ...reason(c.error).flat()) }
    this.tick()
  }
}

function plotLink(c) { return `#/plot?c=${encodeURIComponent(key(c.device, c.name))}` }

export function star(c) {
  const k = key(c.device, c.name)
  const b = h('button.star', { type: 'button', onclick: () => setFavourite(k, !favourites().includes(k)) },
    svg('svg', { viewBox: '0 0 20 20', 'aria-hidden': 'true' }, svg('path', { d: 'M10 2.5l2.3 4.9 5.2.7-3.8 3.7 1 5.3L10 14.5l-4.7 2.6 1-5.3L2.5 8.1l5.2-.7z' })))
  const show = () => {
    const is = favourites().includes(k)
    b.setAttribute('aria-pressed', is)
    b.setAttribute('aria-label', t(is ? 'favourite.remove' : 'favourite.add', { name: k }))
    b.title = b.getAttribute('aria-label')
  }
  show()
  b.show = show
  return b
}

// Card is one device.
class Card {
  constructor(d) {
    this.d = d
    this.rows = new Map(d.channels.map(c => [c.name, new Row(c, d)]))
    this.state = h('span')
    this.why = h('div.why', { hidden: true })
    this.visible = false
    const about = [d.model || d.driver, d.bus].filter(Boolean).join(' · ')
    this.el = h('section.card', { 'aria-label': d.name },
      h('h2', h('span.name', d.name), this.state, h('small', { title: d.summary }, about)), this.why,
      h('table', h('thead', { class: 'heads' }, h('tr', ['channel', 'lasthour', 'value', 'age', 'favourite'].map(k => h('th', { scope: 'col' }, t(k))))),
        h('tbody', [...this.rows.values()].map(r => r.rows()))))
    this.states()
  }

  states() {
    setBadge(this.state, this.d.state)
    const error = this.d.state === 'degraded' ? '' : this.d.error
    this.why.hidden = !error
    if (error) swap(this.why, ...reason(error).flat(), h('span.soft', ' ' + since(this.d.since)))
    this.el.className = 'card ' + look(this.d.state)
    for (const r of this.rows.values()) r.states()
  }

  show(visible) {
    this.visible = visible
    if (!visible) return
    for (const r of this.rows.values()) { r.spark.show(); r.update() }
  }

  drop() { for (const r of this.rows.values()) r.spark.drop() }

  filter(words) {
    let any = false
    for (const r of this.rows.values()) {
      const is = words.every(w => key(this.d.name, r.c.name).toLowerCase().includes(w))
      any ||= is
      toggle(r.el, 'hide', !is)
      if (r.controlRow) toggle(r.controlRow, 'hide', !is)
      toggle(r.whyRow, 'hide', !is)
    }
    toggle(this.el, 'hide', !any)
    return any
  }

  sparks() { for (const r of this.rows.values()) if (r.spark.points) r.spark.draw() }
}

// Tile is a favourite: the same value, larger.
class Tile {
  constructor(c) {
    this.c = c
    this.spark = new Spark(c)
    this.value = h('span.number')
    this.age = h('span.age')
    this.el = h('a.tile', { href: plotLink(c) }, h('span.label', h('b', c.name), ' ', h('span.soft', c.device)),
      h('span.big', this.value, c.unit ? h('span.unit', c.unit) : null), h('span.foot', this.spark.el, this.age))
    this.spark.show()
    this.update()
  }

  update() {
    text(this.value, value(this.c.value, this.c))
    this.spark.take(this.c.value, this.c.at)
    this.tick()
  }

  tick() {
    text(this.age, this.c.at ? span((now() - this.c.at) / 1000) : '–')
    toggle(this.el, 'old', stale(this.c, deviceOf(this.c)))
  }

  drop() { this.spark.drop() }
}

class NowView {
  constructor() {
    this.needs = h('ul.needs')
    this.tiles = h('div.tiles')
    this.grid = h('div.grid')
    this.empty = h('p.empty', { hidden: true })
    this.filter = h('input', { type: 'search', placeholder: t('filter'), 'aria-label': t('filter'), oninput: () => this.applyFilter() })
    this.onlyBad = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => this.toggleBad() }, t('only.bad'))
    this.add = h('a.button', { href: '#/add' }, t('add'))
    this.el = h('div.now', h('h1.unseen', t('nav.now')), this.needs, h('div.tools', this.filter, this.onlyBad, this.add), this.tiles, this.grid, this.empty)
    this.seen = new IntersectionObserver(entries => {
      for (const e of entries) this.byElement.get(e.target)?.show(e.isIntersecting)
    }, { rootMargin: '100px' })
    this.build()
    this.off = [on('devices', () => this.build()), on('values', l => this.values(l)), on('states', () => this.states()),
      on('favourites', () => this.favourites()), on('line', () => store.line === 'open' ? this.again() : this.tick()), on('me', () => this.me())]
    this.shown = () => this.again()
    document.addEventListener('visibilitychange', this.shown)
    this.timers = [setInterval(() => this.tick(), 1000), setInterval(() => this.sparks(), 30000)]
  }

  me() {
    this.add.hidden = !may('admin')
    this.values([...store.channels.values()])
  }

  build() {
    this.add.hidden = !may('admin')
    this.seen.disconnect()
    this.drop()
    this.cards = new Map()
    this.byElement = new Map()
    this.rest = [...store.devices]
    swap(this.grid)
    this.buildMore()
    this.showNeeds()
    this.favourites()
  }

  // buildMore makes cards for a moment, and goes on after the browser has drawn them: with
  // hundreds of channels the first ones are not kept waiting for the last.
  buildMore() {
    clearTimeout(this.more)
    const until = performance.now() + 30
    while (this.rest.length && performance.now() < until) {
      const d = this.rest.shift(), c = new Card(d)
      this.cards.set(d.name, c)
      this.byElement.set(c.el, c)
      this.grid.append(c.el)
      this.seen.observe(c.el)
    }
    if (this.rest.length) this.more = setTimeout(() => this.buildMore())
    this.applyFilter()
  }

  drop() {
    for (const x of [...this.cards?.values() || [], ...this.tileOf?.values() || []]) x.drop()
  }

  favourites() {
    this.tileOf?.forEach(x => x.drop())
    const list = favourites().map(k => store.channels.get(k)).filter(Boolean)
    this.tileOf = new Map(list.map(c => [key(c.device, c.name), new Tile(c)]))
    swap(this.tiles, ...[...this.tileOf.values()].map(x => x.el))
    for (const c of this.cards.values()) for (const r of c.rows.values()) r.star.show()
  }

  // again brings everything in view up to date: the page was hidden, or the line was lost.
  again() {
    if (document.hidden) return
    for (const x of this.tileOf.values()) { x.spark.show(); x.update() }
    for (const c of this.cards.values()) if (c.visible) c.show(true)
    this.sparks()
  }

  // values brings news to what is in view; the rest is brought up to date when it comes
  // into view.
  values(list) {
    if (document.hidden) return
    for (const c of list) {
      this.tileOf.get(key(c.device, c.name))?.update()
      const card = this.cards.get(c.device)
      if (card?.visible) card.rows.get(c.name)?.update()
    }
  }

  states() {
    for (const c of this.cards.values()) c.states()
    this.showNeeds()
    this.applyFilter()
  }

  showNeeds() {
    const list = notWell()
    swap(this.needs, ...list.slice(0, 8).map(need), list.length > 8 && h('li.more', t('needs.more', { n: list.length - 8 })))
    this.onlyBad.hidden = list.length === 0 && this.onlyBad.getAttribute('aria-pressed') !== 'true'
  }

  toggleBad() {
    this.onlyBad.setAttribute('aria-pressed', this.onlyBad.getAttribute('aria-pressed') !== 'true')
    this.states()
  }

  applyFilter() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean)
    const bad = this.onlyBad.getAttribute('aria-pressed') === 'true'
    let any = this.rest.length > 0 // what is not made yet may be it
    for (const c of this.cards.values()) {
      const is = c.filter(words) && (!bad || c.d.state !== 'ok')
      toggle(c.el, 'hide', !is)
      any ||= is
    }
    this.empty.hidden = any
    swap(this.empty, store.devices.length ? t('filter.none', { words: this.filter.value }) : t('devices.none'))
  }

  tick() {
    if (document.hidden) return
    for (const x of this.tileOf.values()) x.tick()
    for (const c of this.cards.values()) if (c.visible) for (const r of c.rows.values()) r.tick()
  }

  sparks() {
    if (document.hidden) return
    for (const x of this.tileOf.values()) if (x.spark.points) x.spark.draw()
    for (const c of this.cards.values()) if (c.visible) c.sparks()
  }

  stop() {
    this.off.forEach(f => f())
    this.timers.forEach(clearInterval)
    clearTimeout(this.more)
    this.seen.disconnect()
    this.drop()
    document.removeEventListener('visibilitychange', this.shown)
  }
}

// need is one line of what is broken, with what to do.
function need({ device, channel, of }) {
  const { what, hint } = split(of.error)
  const name = channel ? key(device.name, channel.name) : device.name
  return h('li.' + look(of.state), badge(of.state), ' ',
    h('div', h('b', name), what && ' – ' + what, ' ', h('span.soft', of.since ? since(of.since) : ''),
      hint && h('div.try', t('try'), ' ', h('code', hint))))
}

export function nowView() { return new NowView() }
