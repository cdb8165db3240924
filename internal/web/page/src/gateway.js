// The gateway itself: version, uptime, clock, history, broker; what the page is.
import { h, swap } from './dom.js'
import { get, Problem } from './api.js'
import { t, language, languages, speak } from './i18n.js'
import { bytes, count, span, time } from './format.js'
import { store, on, now, may } from './store.js'

function facts(...pairs) {
  return h('dl.facts', pairs.filter(Boolean).map(([k, v, poor]) => h('div', h('dt', t(k)), h('dd' + (poor ? '.poor' : ''), v))))
}

function about(s) {
  return h('section.card', h('h2', h('span.name', s.node)), facts(
    ['gw.version', s.version], ['gw.uptime', span((now() - Date.parse(s.started)) / 1000, 2)], ['gw.started', time(Date.parse(s.started))],
    ['gw.clock', s.time_synced ? t('gw.clock.set') : [t('gw.clock.unset'), h('br'), h('small', t('clock.unset.text'))], !s.time_synced], ['gw.listeners', s.listeners.join(', ') || '–']))
}

function broker(b) {
  return h('section.card', h('h2', h('span.name', t('broker'))), facts(
    ['broker.clients', count(b.clients)], ['broker.sessions', count(b.sessions)], ['broker.subscriptions', count(b.subscriptions)], ['broker.retained', count(b.retained)],
    ['broker.received', count(b.received)], ['broker.sent', count(b.sent)], ['broker.dropped', count(b.dropped), b.dropped],
    ['broker.memory', `${bytes(b.memory_bytes)} / ${bytes(b.memory_limit_bytes)}`]))
}

function history(i) {
  if (!i) return null
  const name = { raw: 'history.raw', minutes: 'history.minutes', quarters: 'history.quarters' }
  return h('section.card' + (i.error ? '.bad' : ''), h('h2', h('span.name', t('history')), i.kept ? h('a', { href: 'api/v1/history.csv', download: true }, t('history.csv')) : null),
    i.error ? h('div.why', i.error) : null,
    i.kept ? facts(['history.series', count(i.series)], ['history.disk', `${bytes(i.disk_bytes)} / ${bytes(i.disk_limit_bytes)}`],
      ...i.tiers.map(x => [name[x.tier] || x.tier, x.from ? t('ago', { span: span((now() - Date.parse(x.from)) / 1000) }) : '–']),
      ['history.lost', count(i.lost), i.lost], ['history.damaged', count(i.damaged), i.damaged]) : h('p.soft', t('history.off')))
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
    } catch (e) { swap(list, h('li.poor', e instanceof Problem ? e.title : t('gone.title'))) }
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
  const body = h('div.grid')
  const el = h('div', h('h1.unseen', t('nav.gateway')), body)
  let info = null
  const own = page(), machine = may('operate') ? doctor() : null
  const show = () => store.status && swap(body, about(store.status), broker(store.status.broker), history(info), machine, own)
  const load = () => get('history').then(i => { info = i; show() }, () => {})
  const off = on('status', show)
  const timer = setInterval(load, 30000)
  show()
  load()
  return { el, stop() { off(); clearInterval(timer) } }
}
