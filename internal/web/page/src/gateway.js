// The gateway itself: version, uptime, clock, history, broker; what the page is.
import { h, swap } from './dom.js'
import { get } from './api.js'
import { t, language, languages, speak } from './i18n.js'
import { bytes, count, span, time } from './format.js'
import { store, on, now, may } from './store.js'
import { ago, said } from './state.js'
import { Facts, showIf } from './facts.js'

// card is a heading with facts below it.
function card(title, facts, ...more) {
  return h('section.card', h('h2', h('span.name', title), ...more), facts.el)
}

class About {
  constructor() {
    this.facts = new Facts()
    this.el = card(store.status.node, this.facts)
  }

  show(s) {
    this.facts.show(['gw.version', s.version], ['gw.uptime', span((now() - Date.parse(s.started)) / 1000, 2)], ['gw.started', time(Date.parse(s.started))],
      ['gw.clock', s.time_synced ? t('gw.clock.set') : [t('gw.clock.unset'), h('br'), h('small', t('clock.unset.text'))], !s.time_synced], ['gw.listeners', s.listeners.join(', ') || '–'])
  }
}

class Broker {
  constructor() {
    this.facts = new Facts()
    this.el = card(t('broker'), this.facts)
  }

  show({ broker: b }) {
    this.facts.show(['broker.clients', count(b.clients)], ['broker.sessions', count(b.sessions)], ['broker.subscriptions', count(b.subscriptions)], ['broker.retained', count(b.retained)],
      ['broker.received', count(b.received)], ['broker.sent', count(b.sent)], ['broker.dropped', count(b.dropped), b.dropped],
      ['broker.memory', `${bytes(b.memory_bytes)} / ${bytes(b.memory_limit_bytes)}`])
  }
}

const tiers = { raw: 'history.raw', minutes: 'history.minutes', quarters: 'history.quarters' }

class History {
  constructor() {
    this.facts = new Facts()
    this.csv = h('a', { href: 'api/v1/history.csv', download: true }, t('history.csv'))
    this.why = h('div.why')
    this.off = h('p.soft', t('history.off'))
    this.el = h('section.card', { hidden: true }, h('h2', h('span.name', t('history')), this.csv), this.why, this.off, this.facts.el)
  }

  // show takes the answer about the history, which comes later than the state.
  show(i) {
    this.el.hidden = !i
    if (!i) return
    this.el.className = 'card' + (i.error ? ' bad' : '')
    showIf(this.why, i.error, i.error)
    this.csv.hidden = this.facts.el.hidden = !i.kept
    this.off.hidden = i.kept
    if (i.kept) this.facts.show(['history.series', count(i.series)], ['history.disk', `${bytes(i.disk_bytes)} / ${bytes(i.disk_limit_bytes)}`],
      ...i.tiers.map(x => [tiers[x.tier] || x.tier, x.from ? t('ago', { span: ago(x.from) }) : '–']),
      ['history.lost', count(i.lost), i.lost], ['history.damaged', count(i.damaged), i.damaged])
  }
}

const verdicts = { ok: ['ok', '●'], note: ['warn', '◆'], wrong: ['bad', '▲'], skipped: ['soft', '◌'] }

// doctor is asked for when somebody wants it: it looks at the whole machine.
function doctor() {
  const list = h('ul.findings')
  const run = h('button', { type: 'button', onclick: async () => {
    run.disabled = true
    try {
      const order = Object.keys(verdicts).reverse()
      const all = await get('doctor')
      all.sort((a, b) => order.indexOf(a.verdict) % 3 - order.indexOf(b.verdict) % 3)
      swap(list, ...all.map(f => h('li', h('span.state.' + (verdicts[f.verdict] || verdicts.note)[0], (verdicts[f.verdict] || verdicts.note)[1], ' ', t('doctor.' + f.verdict)), ' ', h('b', f.check), ' ', f.what,
        f.try ? h('div.try', t('try'), ' ', h('code', f.try)) : null)))
    } catch (e) { swap(list, h('li.poor', said(e))) }
    run.disabled = false
  } }, t('doctor.run'))
  return h('section.card', h('h2', h('span.name', t('doctor')), h('small', t('doctor.text'))), run, list)
}

function page() {
  const list = h('select', { id: 'language', onchange: () => speak(list.value) }, Object.entries(languages).map(([k, v]) => h('option', { value: k, selected: k === language }, v)))
  return h('section.card', h('h2', h('span.name', t('page'))), h('p', h('label', { for: 'language' }, t('page.language'), ' '), list),
    h('p.soft', h('a', { href: 'api/v1/openapi.json' }, t('page.api'))))
}

export default () => {
  const el = h('div', h('h1.unseen', t('nav.gateway')))
  const kept = new History()
  let parts
  // The state comes once the page is there, or much later.
  const show = () => {
    if (!store.status) return
    if (!parts) {
      parts = [new About(), new Broker()]
      el.append(h('div.grid', ...parts.map(p => p.el), kept.el, may('operate') ? doctor() : null, page()))
    }
    for (const p of parts) p.show(store.status)
  }
  const load = () => get('history').then(i => kept.show(i), () => {})
  const off = on('status', show)
  const timer = setInterval(load, 30000)
  show()
  load()
  return { el, stop() { off(); clearInterval(timer) } }
}
