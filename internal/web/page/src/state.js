// A state as word and shape, never by colour alone; a fault with what to try; how long ago.
import { h } from './dom.js'
import { t } from './i18n.js'
import { span, when } from './format.js'
import { now } from './store.js'
import { Problem } from './api.js'

const shapes = { ok: '●', starting: '◌', degraded: '◆', failing: '▲', absent: '✕', stuck: '■', stopped: '■' }
const looks = { ok: 'ok', starting: 'soft', degraded: 'warn', stopped: 'soft' }

export const look = state => looks[state] || 'bad'

export function badge(state) {
  return h('span.state.' + look(state), h('span', { 'aria-hidden': 'true' }, shapes[state] || '▲'), ' ' + t('state.' + state))
}

export function setBadge(el, state) {
  if (el.dataset.state === state) return
  el.dataset.state = state
  el.className = 'state ' + look(state)
  el.replaceChildren(h('span', { 'aria-hidden': 'true' }, shapes[state] || '▲'), ' ' + t('state.' + state))
}

// split takes what to try out of an error of the gateway: "no answer (wired? try: sensorgate scan i2c)".
export function split(error) {
  const m = /^(.*?)[\s(;,]*\btry:? +(.*?)\)?$/s.exec(error || '')
  if (!m) return { what: error || '', hint: '' }
  const what = m[1].replace(/\($/, '').trim()
  return { what: /\([^)]*$/.test(what) ? what + ')' : what, hint: m[2] } // what was in the brackets beside the hint
}

export function reason(error) {
  const { what, hint } = split(error)
  return [h('span.what', what), hint && [' ', h('span.try', t('try'), ' ', h('code', hint))]]
}

// said is why a request was not done, as a person reads it.
export function said(e) {
  return e instanceof Problem ? [e.title, e.detail].filter(Boolean).join(': ') : t('gone.title')
}

// advised is that with what to try.
export function advised(e) { return said(e) + (e.try ? ` (${t('try')} ${e.try})` : '') }

// ago is how long a time of the gateway is past.
export function ago(iso) { return iso ? span((now() - Date.parse(iso)) / 1000) : '–' }

export function since(iso) {
  const at = Date.parse(iso)
  return at ? t('since', { time: when(at), span: span((now() - at) / 1000) }) : ''
}
