// Upstreams: what is connected, what waits, and how the store that keeps it does.
import { h, svg, swap } from './dom.js'
import { get } from './api.js'
import { t } from './i18n.js'
import { Newest } from './newest.js'
import { bytes, count, span, when } from './format.js'
import { store, on, now } from './store.js'
import { reason } from './state.js'

const ago = iso => iso ? span((now() - Date.parse(iso)) / 1000) : '–'

function facts(...pairs) {
  return h('dl.facts', pairs.filter(Boolean).map(([k, v, poor]) => h('div', h('dt', t(k)), h('dd' + (poor ? '.poor' : ''), v))))
}

function upstream(u, spool) {
  const badge = u.connected ? h('span.state.ok', '● ', t('up.connected')) : h('span.state.bad', '▲ ', t('up.away', { span: ago(u.since) }))
  return h('section.card' + (u.connected ? '' : '.bad'), { 'data-upstream': u.name },
    h('h2', h('span.name', u.name), badge, h('small', u.url)),
    u.error ? h('div.why', ...reason(u.error).flat()) : null,
    h('p.big', h('span.number', count(u.waiting)), ' ', t('up.waiting', { n: u.waiting }), u.waiting ? h('span.soft', ` · ${bytes(u.waiting_bytes)} · ${t('up.oldest', { span: ago(u.oldest) })}`) : null),
    u.limit_bytes ? meter(u.waiting_bytes, u.limit_bytes) : null, spool.el,
    u.full_in_seconds ? h('p.warn-text', '◆ ', t('up.full', { span: span(u.full_in_seconds, 2) })) : null,
    facts(['up.since', when(Date.parse(u.since))], ['up.sent', count(u.sent)], ['up.received', count(u.received)],
      ['up.dropped', count(u.dropped), u.dropped], ['up.ignored', count(u.ignored)]),
    Object.entries(u.dropped_for || {}).filter(([, n]) => n).map(([why, n]) => h('p.warn-text', `◆ ${count(n)} ${t('up.dropped')}: ${why}`)))
}

function meter(n, limit) {
  const words = t('spool.of', { used: bytes(n), limit: bytes(limit) })
  return h('p.filled', h('meter', { min: 0, max: limit, value: n, 'aria-label': words }), ' ', h('span.soft', words))
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
    const a = await get(`upstreams/${encodeURIComponent(this.name)}/history?from=24h&every=5m`).catch(() => null)
    if (!newest() || !a || !a.points.length) return
    const from = Date.parse(a.from) / 1000, to = Date.parse(a.to) / 1000, high = Math.max(...a.points.map(p => p[3]))
    const x = s => ((s - from) / (to - from) * 600).toFixed(1), y = v => (high ? 78 - v / high * 74 : 78).toFixed(1)
    const line = a.points.map(p => `L${x(p[0])} ${y(p[3])}`).join('')
    const first = x(a.points[0][0]), last = x(a.points.at(-1)[0])
    const words = t(high ? 'spool.high' : 'spool.empty', { n: count(high), time: when(a.points.find(p => p[3] === high)[0] * 1000) })
    swap(this.el, svg('svg', { viewBox: '0 0 600 80', preserveAspectRatio: 'none', role: 'img', 'aria-label': words },
      svg('path.area', { d: `M${first} 78${line}L${last} 78Z` }), svg('path.edge', { d: 'M' + line.slice(1) })), h('figcaption.soft', words))
  }
}

function journal(j) {
  return h('section.card' + (j.error ? '.bad' : ''), h('h2', h('span.name', t('store')), h('small', j.dir || t('store.memory'))),
    j.error ? h('div.why', ...reason(j.error).flat()) : null,
    facts(['store.records', count(j.records)], ['store.bytes', bytes(j.bytes)], ['store.perday', `${bytes(j.bytes_written_per_day)}`],
      ['store.commit', j.last_commit ? t('ago', { span: ago(j.last_commit) }) : '–'], ['store.syncs', count(j.syncs)],
      ['store.damaged', count(j.damaged), j.damaged], j.age_held ? ['store.held', count(j.age_held)] : null))
}

function queues(list) {
  return h('section.card', h('h2', h('span.name', t('queues'))), h('table', h('thead', h('tr', ['queues.who', 'queues.waiting', 'queues.bytes', 'queues.oldest', 'queues.dropped'].map(k => h('th', { scope: 'col' }, t(k))))),
    h('tbody', list.map(q => h('tr', h('th', { scope: 'row' }, q.name), h('td', count(q.waiting)), h('td', bytes(q.bytes)), h('td', q.waiting ? ago(q.oldest) : '–'), h('td', count(q.dropped)))))))
}

export default () => {
  const body = h('div.grid'), spools = new Map()
  const el = h('div', h('h1.unseen', t('nav.upstreams')), body)
  const show = () => {
    const s = store.status
    if (!s) return
    swap(body, ...s.upstreams.map(u => { if (!spools.has(u.name)) spools.set(u.name, new Spool(u.name)); return upstream(u, spools.get(u.name)) }), s.upstreams.length ? null : h('section.card', h('h2', t('up.none')), h('p.soft', t('up.none.text'))),
      journal(s.journal), s.queues?.length ? queues(s.queues) : null)
  }
  const off = on('status', show), timer = setInterval(() => { if (!document.hidden) spools.forEach(x => x.load()) }, 60000)
  show()
  return { el, stop() { off(); clearInterval(timer) } }
}
