// What the page knows of the gateway: devices with their channels, kept up to date by the
// stream of events. Views subscribe to what they show.
import { get } from './api.js'
import { Newest } from './newest.js'

export const store = {
  me: { role: 'nobody' }, // who looks
  status: null,           // the newest /status
  devices: [],            // as /devices answers them
  channels: new Map(),    // by device/channel
  line: 'starting',       // of the stream: starting, open, lost
  lostAt: 0,
  skew: 0,                // ms that the gateway's clock is ahead of the browser's
}

const listeners = new Map() // what to a set of functions

export function on(what, f) {
  if (!listeners.has(what)) listeners.set(what, new Set())
  listeners.get(what).add(f)
  return () => listeners.get(what).delete(f)
}

export function emit(what, detail) {
  for (const f of listeners.get(what) || []) f(detail)
}

// now is the gateway's clock: ages must not depend on the browser's.
export function now() { return Date.now() + store.skew }

export const key = (device, channel) => `${device}/${channel}`
export const may = role => ['nobody', 'view', 'operate', 'admin'].indexOf(store.me.role) >= ['nobody', 'view', 'operate', 'admin'].indexOf(role)

const asks = { devices: new Newest(), status: new Newest() }
let news = 0 // counts what the stream brought

// refreshDevices asks for everything again. 'devices' is told when the list is another,
// 'values' when only what is measured is. What the stream brought while the answer was on
// its way is newer than the answer.
export async function refreshDevices() {
  const newest = asks.devices.begin(), before = news
  const devices = await get('devices')
  if (!newest()) return
  const shape = list => JSON.stringify(list.map(d => [d.name, d.driver, d.model, d.channels.map(c => [c.name, c.unit, c.kind, c.writable, c.digits])]))
  const same = shape(devices) === shape(store.devices)
  const was = new Map(store.devices.map(d => [d.name, d])), known = new Map()
  store.devices = devices.map(d => {
    const channels = d.channels.map(c => {
      c.at = c.time ? Date.parse(c.time) : 0
      const k = key(d.name, c.name), one = renew(store.channels.get(k), c, before)
      known.set(k, one)
      return one
    })
    return renew(was.get(d.name), { ...d, channels }, before)
  })
  store.channels = known
  if (!same) emit('devices')
  emit('values', [...known.values()])
  emit('states')
}

// renew makes one object of what was known of a device or channel and an answer: views hold
// the object, and must not hold one that nobody keeps up to date.
function renew(old, fresh, before) {
  if (!old) return fresh
  if (old.valueNews > before) { fresh.value = old.value; fresh.at = old.at }
  if (old.stateNews > before) { fresh.state = old.state; fresh.error = old.error; fresh.since = old.since }
  for (const k of Object.keys(old)) if (!(k in fresh)) delete old[k]
  return Object.assign(old, fresh)
}

export async function refreshStatus() {
  const before = Date.now(), newest = asks.status.begin()
  const s = await get('status')
  if (!newest()) return
  store.skew = Date.parse(s.time) - (before + Date.now()) / 2
  store.status = s
  emit('status')
}

export function takeValues(list) {
  const changed = []
  for (const v of list) {
    const c = store.channels.get(key(v.device, v.channel))
    if (!c) continue
    c.value = v.value
    c.at = Date.parse(v.time)
    c.valueNews = ++news
    changed.push(c)
  }
  if (changed.length) emit('values', changed)
}

export function takeState(s) {
  const d = store.devices.find(d => d.name === s.device)
  if (!d) return
  const what = s.channel ? d.channels.find(c => c.name === s.channel) : d
  if (!what) return
  const was = what.state
  what.state = s.state
  what.error = s.error || ''
  what.since = s.since
  what.stateNews = ++news
  emit('states', { what, was, device: d })
}

// stale: the value is older than three of its intervals, or its device does not answer.
// The gateway judges by the same rule; the page must notice between two answers.
export function stale(c, d) {
  if (!c.at) return true
  const late = c.every_seconds > 0 && now() - c.at > (3 * c.every_seconds + 5) * 1000
  return late || c.state !== 'ok' || (d && d.state !== 'ok' && d.state !== 'degraded') || store.line === 'lost'
}

export function deviceOf(c) { return store.devices.find(d => d.name === c.device) }

// notWell lists what needs somebody: devices first, then single channels of a device
// that answers.
export function notWell() {
  const out = []
  for (const d of store.devices) {
    if (!['ok', 'starting', 'degraded'].includes(d.state)) out.push({ device: d, of: d })
    else for (const c of d.channels) if (!['ok', 'starting'].includes(c.state)) out.push({ device: d, channel: c, of: c })
  }
  return out
}

// favourites are kept by the browser, not by the gateway: they are a person's.
const stored = 'favourites'
export function favourites() {
  try { return JSON.parse(localStorage.getItem(stored)) || [] } catch { return [] }
}
export function setFavourite(k, on) {
  const rest = favourites().filter(f => f !== k)
  localStorage.setItem(stored, JSON.stringify(on ? [...rest, k] : rest))
  emit('favourites')
}
