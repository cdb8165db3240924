// The frame around the views: who looks, which view, the line to the gateway, notes.
import { h, text, swap } from './dom.js'
import { get, whenExpired, Problem, Gone } from './api.js'
import { t, load } from './i18n.js'
import { span, time } from './format.js'
import { store, on, emit, now, may, refreshDevices, refreshStatus, takeValues, takeState, notWell, key } from './store.js'
import { Newest } from './newest.js'
import { listen } from './stream.js'
import { login, whoButton } from './login.js'
import { nowView } from './now.js'

const views = {
  now: { make: async () => nowView, role: 'view' },
  plot: { make: () => import('./channel.js').then(m => m.default), role: 'view' },
  upstreams: { make: () => import('./upstreams.js').then(m => m.default), role: 'view' },
  clients: { make: () => import('./clients.js').then(m => m.default), role: 'view' },
  log: { make: () => import('./log.js').then(m => m.default), role: 'operate' },
  add: { make: () => import('./add.js').then(m => m.default), role: 'admin', hidden: true },
  config: { make: () => import('./config.js').then(m => m.default), role: 'admin' },
  gateway: { make: () => import('./gateway.js').then(m => m.default), role: 'view' },
}

let view = null, restart = () => {}
const routes = new Newest(), users = new Newest()

// ------------------------------------------------------------------ the head of the page

const facts = h('span.facts')
const nav = h('nav', { 'aria-label': 'sensorgate' })
const who = h('span.who')
const nodeName = h('a.node', { href: '#/now' })

function head() {
  swap(document.getElementById('top'), nodeName, facts, nav, who)
  document.querySelector('.skip').textContent = t('skip')
  showHead()
}

function showHead() {
  text(nodeName, store.status?.node || 'sensorgate')
  swap(who, whoButton(loggedIn))
  swap(nav, ...Object.keys(views).filter(name => may(views[name].role) && !views[name].hidden).map(name =>
    h('a', { href: '#/' + name, 'aria-current': view?.name === name ? 'page' : null }, t('nav.' + name))))
  nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  nav.hidden = !may('view')
  showFacts()
}

function showFacts() {
  if (!store.status || !may('view')) return swap(facts)
  const bad = notWell().length
  const devices = t('fact.devices', { n: store.devices.length })
  // What is bad matters more where there is no room for both.
  const parts = bad ? [[h('span.long', devices, ' · '), h('b.poor', t('fact.bad', { n: bad }))], zoned()] : [devices, zoned()]
  if (!store.status.time_synced) parts.push(h('a.warn-text', { href: '#/gateway', title: t('clock.unset.text') }, h('span', { 'aria-hidden': 'true' }, '◆ '), h('span.long', t('clock.unset'))))
  swap(facts, ...parts.flatMap((p, i) => i ? [' · ', p] : p))
  document.title = (bad ? `(${bad}) ` : '') + (store.status.node || 'sensorgate')
}

// zoned is the clock of the gateway, with its zone where it is another than the browser's.
function zoned() {
  const s = store.status.time
  const m = /([+-])(\d\d):(\d\d)$/.exec(s)
  const minutes = m ? (m[1] === '-' ? -1 : 1) * (m[2] * 60 + +m[3]) : 0
  const mine = -new Date(now()).getTimezoneOffset()
  const clock = h('time.clock', { title: t('clock.title') }, time(now(), 'short'))
  if (minutes === mine) return clock
  const there = new Date(now() + (minutes - mine) * 60000)
  return h('span', clock, ' ', h('span.soft', t('clock.there', { time: time(there, 'short'), zone: m ? `UTC${m[1]}${m[2]}:${m[3]}` : 'UTC' })))
}

// ------------------------------------------------------------------ notes above the view

const notes = { line: null, login: null, config: null, confirm: null, demo: null }
function note(name, look, ...what) {
  notes[name] = look ? h('p.note.' + look, { 'data-note': name }, ...what) : null
  swap(document.getElementById('notes'), ...Object.values(notes).filter(Boolean))
}

// lost waits before it says so: a reload takes less than that, and nobody needs to know.
let lostTimer = 0
function lost() {
  if (lostTimer || store.line === 'lost') return
  lostTimer = setTimeout(() => { lostTimer = 0; setLine('lost') }, 1500)
}

// opened is after the start and after each break, however short: what was missed since the
// last answer is asked for, and whether it is still the same gateway and the same user.
function opened() {
  clearTimeout(lostTimer)
  lostTimer = 0
  if (store.line !== 'open') setLine('open')
  again()
}

function setLine(state) {
  if (state === 'lost') store.lostAt = Date.now()
  store.line = state
  document.body.dataset.line = state
  showLine()
  emit('line')
}

function showLine() {
  if (store.line !== 'lost') return note('line')
  note('line', 'bad', h('span', { 'aria-hidden': 'true' }, '▲'), h('div', h('b', t('gone.title')), ' ',
    t('gone.text', { time: time(store.lostAt, 'clock'), span: span((Date.now() - store.lostAt) / 1000) })))
}

function showStatus() {
  const s = store.status
  note('config', s.config_error && 'bad', h('span', { 'aria-hidden': 'true' }, '▲'), h('div', h('b', t('config.refused')), ' ', h('span', s.config_error || ''),
    h('div.try', t('try'), ' ', h('code', 'sensorgate check'))))
  note('demo', store.me.demo && 'demo', h('div', h('b', t('demo.title')), ' ', t('demo.text')))
  showHead()
}

// ------------------------------------------------------------------ which view

async function route() {
  const newest = routes.begin()
  if (!may('view')) return showLogin()
  const [name, query] = location.hash.replace(/^#\/?/, '').split('?')
  const wanted = views[name] && may(views[name].role) ? name : 'now'
  const params = new URLSearchParams(query)
  if (view?.name === wanted && view.params) return view.params(params)
  view?.stop?.()
  view = { name: wanted }
  const main = document.getElementById('main')
  let next
  try {
    next = (await views[wanted].make())(params)
  } catch (e) {
    // A module is not there any more: the gateway was updated since the page was loaded.
    next = { el: h('p.note.warn', h('div', t('updated'), ' ', h('button', { onclick: () => location.reload() }, t('reload')))) }
    console.error(e)
  }
  if (!newest()) return next.stop?.()
  view = next
  view.name = wanted
  swap(main, view.el)
  main.dataset.view = wanted
  showHead()
}

function showLogin() {
  routes.begin()
  view?.stop?.()
  view = { name: 'login' }
  swap(document.getElementById('main'), login(loggedIn))
  showHead()
}

// ------------------------------------------------------------------ start, and start again

async function loggedIn(me) {
  users.begin()
  const expired = store.me.user && !me.user && me.expired
  store.me = me
  restart()
  emit('me')
  note('login', expired && 'warn', h('span', { 'aria-hidden': 'true' }, '◆'), h('div', t('login.expired')))
  if (may('view')) await refresh()
  await route()
}

async function refresh() {
  await Promise.all([refreshStatus(), refreshDevices()])
}

// again is after the line was lost: another gateway may answer now, and to another user.
async function again() {
  const newest = users.begin()
  try {
    const me = await get('me')
    if (!newest()) return
    if (store.me.version && me.version && me.version !== store.me.version) return location.reload()
    if (me.user !== store.me.user || me.role !== store.me.role) return loggedIn({ ...me, expired: true })
    store.me = me
    if (may('view')) await refresh()
  } catch (e) {
    if (!(e instanceof Gone || e instanceof Problem)) throw e
  }
}

const alarmed = new Set()

// alarm speaks to screen readers, and only of what turned bad.
function alarm(change) {
  showFacts()
  if (!change) return
  const { what, was, device } = change
  const name = what === device ? device.name : key(device.name, what.name)
  if (['failing', 'absent', 'stuck'].includes(what.state) && what.state !== was && !alarmed.has(name)) {
    alarmed.add(name)
    document.getElementById('alarms').textContent = `${name}: ${t('state.' + what.state)}. ${what.error || ''}`
  }
  if (what.state === 'ok') alarmed.delete(name)
}

function hear(m) {
  switch (m.type) {
    case 'open': opened(); break
    case 'lost': lost(); break
    case 'values': takeValues(JSON.parse(m.data)); break
    case 'state': takeState(JSON.parse(m.data)); break
    case 'log': emit('log', JSON.parse(m.data)); break
    case 'config': case 'reset': again(); emit('config'); break
  }
}

async function expired() {
  const was = store.me
  const me = await get('me').catch(() => null)
  if (me && store.me === was && me.user !== was.user) loggedIn({ ...me, expired: true })
}

async function start() {
  const [me] = await Promise.all([get('me').catch(e => { if (e instanceof Gone) return { role: 'nobody', gone: true }; throw e }), load()])
  store.me = me
  head()
  whenExpired(expired)
  on('status', showStatus)
  on('devices', showFacts)
  on('states', alarm)
  addEventListener('hashchange', route)
  if (may('view')) await refresh().catch(() => {})
  await route()
  restart = listen(hear)
  // The newest state of the whole gateway; the stream has no event for it.
  setInterval(() => { if (!document.hidden && may('view') && store.line === 'open') refreshStatus().catch(() => {}) }, 10000)
  setInterval(() => { if (store.line === 'lost') showLine(); showFacts() }, 1000)
  document.body.dataset.ready = 'yes'
}

start()
