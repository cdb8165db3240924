// Upstreams: what is connected, what waits, what was lost and who knows of it, and how the
// store that keeps it does.
import { h, svg, text, swap } from './dom.js'
import { get, Problem } from './api.js'
import { t } from './i18n.js'
import { Newest } from './newest.js'
import { bytes, count, span, when } from './format.js'
import { store, on } from './store.js'
import { ago, reason, said } from './state.js'
import { Facts, showIf } from './facts.js'

const reasons = ['full', 'age', 'damaged', 'expired', 'refused', 'too large', 'spool']

// counted lists why how many were lost: "12 spool full, 3 expired".
function counted(why) {
  return Object.entries(why || {}).filter(([, n]) => n).map(([name, n]) => `${count(n)} ${reasons.includes(name) ? t('lost.' + name) : name}`).join(', ')
}

class Upstream {
  constructor(u) {
    this.state = h('span')
    this.url = h('small')
    this.why = h('div.why')
    this.number = h('span.number')
    this.waits = h('span')
    this.size = h('span.soft')
    this.filled = h('p.filled')
    this.full = h('p.warn-text')
    this.facts = new Facts()
    this.lost = h('p.warn-text')
    this.unreported = h('p.warn-text')
    this.will = h('p.soft.will')
    this.spool = new Spool(u.name)
    this.el = h('section.card', { 'data-upstream': u.name, 'aria-label': u.name }, h('h2', h('span.name', u.name), this.state, this.url), this.why,
      h('p.big', this.number, ' ', this.waits, this.size), this.filled, this.spool.el, this.full, this.facts.el, this.lost, this.unreported, this.will)
  }

  show(u) {
    this.el.className = 'card' + (u.connected ? '' : ' bad')
    this.state.className = 'state ' + (u.connected ? 'ok' : 'bad')
    text(this.state, u.connected ? '● ' + t('up.connected') : '▲ ' + t('up.away', { span: ago(u.since) }))
    text(this.url, u.url)
    showIf(this.why, u.error, ...reason(u.error).flat())
    text(this.number, count(u.waiting))
    text(this.waits, t('up.waiting', { n: u.waiting }))
    text(this.size, u.waiting ? ` · ${bytes(u.waiting_bytes)} · ${t('up.oldest', { span: ago(u.oldest) })}` : '')
    showIf(this.filled, u.limit_bytes, ...meter(u.waiting_bytes, u.limit_bytes))
    showIf(this.full, u.full_in_seconds, '◆ ' + t('up.full', { span: span(u.full_in_seconds, 2) }))
    this.showLost(u)
  }

  // showLost: what was dropped and why, and whether the upstream knows.
  showLost(u) {
    const g = u.gaps, w = u.will
    this.facts.show(['up.since', when(Date.parse(u.since))], ['up.sent', count(u.sent)], ['up.received', count(u.received)],
      ['up.dropped', count(u.dropped), u.dropped], ['up.ignored', count(u.ignored)],
      ['up.gaps', !g ? t('up.gaps.none') : g.records ? t('up.gaps.last', { n: count(g.records), time: when(Date.parse(g.last_reported)) }) : '0'],
      g && ['up.lost', count(g.total)])
    showIf(this.lost, u.dropped, `◆ ${t('up.dropped')}: ${counted(u.dropped_for)}`)
    showIf(this.unreported, g?.unreported, `◆ ${t('up.gaps.unreported', { n: g?.unreported, topic: g?.topic })}: ${counted(g?.why)}`)
    text(this.will, w ? t(w.retain ? 'up.will' : 'up.will.once', w) : t('up.will.none'))
  }
}

function meter(n, limit) {
  const words = t('spool.of', { used: bytes(n), limit: bytes(limit) })
  return [h('meter', { min: 0, max: limit, value: n, 'aria-label': words }), ' ', h('span.soft', words)]
}

// Spool is the last day of what waited, as an area with its highest value. Below it the
// day in words, for those who cannot see it.
class Spool {
  constructor(name) {
    this.name = name
    this.el = h('figure.spool')
    this.loads = new Newest()
    this.load()
  }

  async load() {
    const newest = this.loads.begin()
    let a
    try { a = await get(`upstreams/${encodeURIComponent(this.name)}/history?from=24h&every=5m`) } catch (e) {
      if (newest() && e instanceof Problem) swap(this.el, h('figcaption.soft', said(e)))
      return
    }
    if (!newest()) return
    if (!a.points.length) return swap(this.el, h('figcaption.soft', t('spool.young')))
    const from = Date.parse(a.from) / 1000, to = Date.parse(a.to) / 1000, high = Math.max(...a.points.map(p => p[3]))
    const x = s => ((s - from) / (to - from) * 600).toFixed(1), y = v => (high ? 78 - v / high * 74 : 78).toFixed(1)
    const line = a.points.map(p => `L${x(p[0])} ${y(p[3])}`).join('')
    const first = x(a.points[0][0]), last = x(a.points.at(-1)[0])
    const words = t(high ? 'spool.high' : 'spool.empty', { n: count(high), time: when(a.points.find(p => p[3] === high)[0] * 1000) })
    swap(this.el, svg('svg', { viewBox: '0 0 600 80', preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
      svg('path.area', { d: `M${first} 78${line}L${last} 78Z` }), svg('path.edge', { d: 'M' + line.slice(1) })), h('figcaption.soft', words))
  }
}

// Journal is the store of what waits: the one that wears the card.
class Journal {
  constructor() {
    this.dir = h('small')
    this.why = h('div.why')
    this.filled = h('p.filled')
    this.facts = new Facts()
    this.el = h('section.card', { 'aria-label': t('store') }, h('h2', h('span.name', t('store')), this.dir), this.why, this.filled, this.facts.el)
  }

  show(j) {
    this.el.className = 'card' + (j.error ? ' bad' : '')
    text(this.dir, j.dir || t('store.memory'))
    showIf(this.why, j.error, ...reason(j.error).flat())
    showIf(this.filled, j.limit_bytes, ...meter(j.bytes, j.limit_bytes))
    this.facts.show(['store.records', count(j.records)], j.dir && ['store.disk', bytes(j.disk_bytes)], j.dir && j.free_bytes >= 0 && ['store.free', bytes(j.free_bytes)],
      j.dir && ['store.perday', j.bytes_written_per_day ? bytes(j.bytes_written_per_day) : '–'], ['store.commit', j.last_commit ? t('ago', { span: ago(j.last_commit) }) : '–'],
      ['store.syncs', count(j.syncs)], ['store.damaged', count(j.damaged), j.damaged], j.age_held ? ['store.held', count(j.age_held)] : null)
  }
}

export default () => {
  const cards = new Map(), journal = new Journal()
  const none = h('section.card', h('h2', t('up.none')), h('p.soft', t('up.none.text')))
  const grid = h('div.grid'), el = h('div.upstreams', h('h1.unseen', t('nav.upstreams')), grid)
  let names
  const show = () => {
    const s = store.status
    if (!s) return
    for (const u of s.upstreams) {
      if (!cards.has(u.name)) cards.set(u.name, new Upstream(u))
      cards.get(u.name).show(u)
    }
    journal.show(s.journal)
    const now = s.upstreams.map(u => u.name)
    if (names?.join('\n') === now.join('\n')) return
    for (const gone of (names || []).filter(n => !now.includes(n))) cards.delete(gone)
    names = now
    swap(grid, ...(now.length ? now.map(n => cards.get(n).el) : [none]), journal.el)
  }
  const off = on('status', show), timer = setInterval(() => { if (!document.hidden) for (const c of cards.values()) c.spool.load() }, 60000)
  show()
  return { el, stop() { off(); clearInterval(timer); for (const c of cards.values()) c.spool.loads.begin() } }
}
