// Upstreams: what is connected, what waits, and how the store that keeps it does.
import { h, swap } from './dom.js'
import { t } from './i18n.js'
import { bytes, count, span, when } from './format.js'
import { store, on, now } from './store.js'
import { reason } from './state.js'

const ago = iso => iso ? span((now() - Date.parse(iso)) / 1000) : '–'

function facts(...pairs) {
  return h('dl.facts', pairs.filter(Boolean).map(([k, v, poor]) => h('div', h('dt', t(k)), h('dd' + (poor ? '.poor' : ''), v))))
}

function upstream(u) {
  const badge = u.connected ? h('span.state.ok', '● ', t('up.connected')) : h('span.state.bad', '▲ ', t('up.away', { span: ago(u.since) }))
  return h('section.card' + (u.connected ? '' : '.bad'), { 'data-upstream': u.name },
    h('h2', h('span.name', u.name), badge, h('small', u.url)),
    u.error ? h('div.why', ...reason(u.error).flat()) : null,
    h('p.big', h('span.number', count(u.waiting)), ' ', t('up.waiting', { n: u.waiting }), u.waiting ? h('span.soft', ` · ${bytes(u.waiting_bytes)} · ${t('up.oldest', { span: ago(u.oldest) })}`) : null),
    u.full_in_seconds ? h('p.warn-text', '◆ ', t('up.full', { span: span(u.full_in_seconds, 2) })) : null,
    facts(['up.since', when(Date.parse(u.since))], ['up.sent', count(u.sent)], ['up.received', count(u.received)],
      ['up.dropped', count(u.dropped), u.dropped], ['up.ignored', count(u.ignored)]))
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
  const body = h('div.grid')
  const el = h('div', h('h1.unseen', t('nav.upstreams')), body)
  const show = () => {
    const s = store.status
    if (!s) return
    swap(body, ...s.upstreams.map(upstream), s.upstreams.length ? null : h('section.card', h('h2', t('up.none')), h('p.soft', t('up.none.text'))),
      journal(s.journal), s.queues?.length ? queues(s.queues) : null)
  }
  const off = on('status', show)
  show()
  return { el, stop: off }
}
