// Numbers, times and sizes as people of the browser's locale read them.
import { t, locale } from './i18n.js'

const formats = new Map()
function fixed(least, most) {
  const key = least * 100 + most
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale, { minimumFractionDigits: least, maximumFractionDigits: most }))
  return formats.get(key)
}

// number writes v with the channel's digits; without them, as many as its size deserves.
export function number(v, digits) {
  if (digits !== undefined && digits !== null) return fixed(Math.max(0, digits), Math.max(0, digits)).format(v)
  const size = Math.abs(v)
  if (size !== 0 && (size < 0.001 || size >= 1e12)) return v.toExponential(2)
  return fixed(0, size >= 10000 ? 1 : size >= 100 ? 2 : 3).format(v)
}

export function count(n) { return fixed(0, 0).format(n) }

// value writes what a channel has: a number, on or off, or a text.
export function value(v, channel) {
  if (v === null || v === undefined) return '–'
  if (typeof v === 'number') return number(v, channel?.digits)
  if (typeof v === 'boolean') return v ? t('on') : t('off')
  return String(v)
}

export function bytes(n) {
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024 || unit === 'GiB') return `${fixed(0, n < 10 && unit !== 'B' ? 1 : 0).format(n)} ${unit}`
    n /= 1024
  }
}

const spans = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]

// span writes seconds with its one or two greatest units: 3 d 4 h, 12 min, 5 s.
export function span(seconds, parts = 1) {
  let left = Math.max(0, Math.floor(seconds))
  const out = []
  for (const [unit, size] of spans) {
    const n = Math.floor(left / size)
    if ((n === 0 && !(unit === 's' && !out.length))) { if (out.length) break; continue }
    out.push(`${count(n)} ${t('unit.' + unit)}`)
    left -= n * size
    if (out.length === parts) break
  }
  return out.join(' ')
}

const day = { year: 'numeric', month: '2-digit', day: '2-digit' }
const clock = { hour: 'numeric', minute: '2-digit', second: '2-digit' }
const styles = {
  clock, day,
  short: { hour: 'numeric', minute: '2-digit' },
  full: { ...day, ...clock },
  minute: { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' },
  month: { day: 'numeric', month: 'short' },
}

// A format is made when it is needed first: each costs a slow phone tens of milliseconds.
const times = new Map()

export function time(ms, style = 'full') {
  if (!times.has(style)) times.set(style, new Intl.DateTimeFormat(locale, styles[style]))
  return times.get(style).format(ms)
}

// when writes a time as short as it stays clear: the clock today, else the day too.
export function when(ms) {
  return new Date(ms).toDateString() === new Date().toDateString() ? time(ms, 'clock') : time(ms, 'full')
}
