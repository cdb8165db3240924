// Commands: a control that fits the channel; what may move something is asked once more;
// the device's answer is shown.
import { h, text, swap, ask } from './dom.js'
import { post, channelPath, Problem } from './api.js'
import { t } from './i18n.js'
import { value, when } from './format.js'
import { store, may, key } from './store.js'
import { split, said } from './state.js'

// answers outlive a change of view.
const answers = new Map()

async function command(c, wanted, show) {
  const name = key(c.device, c.name)
  if (c.kind === 'state') {
    const yes = await ask(t('command.sure', { name }), h('p', t('command.will', { from: value(c.value, c), to: value(wanted, c) + (c.unit ? ' ' + c.unit : '') })),
      [{ value: '', text: t('cancel') }, { value: 'yes', text: t('command.do', { value: value(wanted, c) }), main: true }])
    if (yes !== 'yes') return
  }
  answers.set(name, { at: Date.now(), wanted, waiting: true })
  show()
  try {
    const r = await post(channelPath(c.device, c.name) + '/command', { value: wanted === true ? 'on' : wanted === false ? 'off' : wanted })
    answers.set(name, { at: Date.now(), wanted, result: r.result, reason: r.reason })
  } catch (e) {
    answers.set(name, { at: Date.now(), wanted, result: 'failed', reason: e instanceof Problem ? said(e) : t('gone.command') })
  }
  show()
}

// control makes the control of a writable channel.
export function control(c) {
  const name = key(c.device, c.name)
  const answer = h('span.answer', { role: 'status' })
  const body = kindOf(c)
  const why = h('span.soft')
  const el = h('div.control', body.el, why, answer)
  const show = () => {
    const a = answers.get(name)
    const allowed = may('operate')
    body.enable(allowed && !a?.waiting, c)
    text(why, allowed ? '' : t(store.me.user ? 'command.viewer' : 'command.login'))
    if (!a) return swap(answer)
    const to = value(a.wanted, c)
    answer.className = 'answer ' + (a.waiting ? '' : a.result === 'done' ? 'good' : 'poor')
    text(answer, a.waiting ? t('command.waits', { to }) : `${when(a.at)} ${to} → ${t('result.' + a.result)}${a.reason ? ': ' + split(a.reason).what : ''}`)
  }
  body.onwant = wanted => command(c, wanted, show)
  show()
  return { el, update: show }
}

// kindOf chooses: a switch for what is on or off, a list for a choice, a number, or a
// button for what only happens.
function kindOf(c) {
  if (c.kind === 'event') return button(c)
  if (c.type === 'text' && c.values?.length) return choice(c, c.values)
  if (c.type === 'number' || typeof c.value === 'number' || c.unit || c.range || c.kind === 'gauge' || c.kind === 'total') return numberField(c)
  return onOff(c)
}

function onOff(c) {
  const body = {}
  const make = on => h('button', { type: 'button', onclick: () => body.onwant(on) }, on ? t('on') : t('off'))
  const yes = make(true), no = make(false)
  body.el = h('span.switch', { role: 'group', 'aria-label': key(c.device, c.name) }, no, yes)
  body.enable = (able, c) => {
    const is = c.value === true || c.value === 'on', isnt = c.value === false || c.value === 'off'
    yes.disabled = no.disabled = !able
    yes.setAttribute('aria-pressed', is)
    no.setAttribute('aria-pressed', isnt)
  }
  return body
}

function numberField(c) {
  const body = {}
  const field = h('input', { type: 'number', step: c.digits > 0 ? (10 ** -c.digits).toFixed(c.digits) : c.digits === 0 ? 1 : 'any',
    min: c.range?.[0], max: c.range?.[1], 'aria-label': key(c.device, c.name), required: true })
  const set = h('button', { type: 'submit' }, t('command.set'))
  const limits = c.range ? h('span.soft', `${value(c.range[0], c)} … ${value(c.range[1], c)} ${c.unit || ''}`) : null
  body.el = h('form.set', { onsubmit: e => { e.preventDefault(); body.onwant(field.valueAsNumber) } }, field, set, limits)
  body.enable = (able, c) => {
    field.disabled = set.disabled = !able
    if (document.activeElement !== field && !field.value && typeof c.value === 'number') field.value = c.value
  }
  return body
}

function choice(c, all) {
  const body = {}
  const list = h('select', { 'aria-label': key(c.device, c.name) }, all.map(o => h('option', { value: o }, o)))
  const set = h('button', { type: 'button', onclick: () => body.onwant(list.value) }, t('command.set'))
  body.el = h('span.set', list, set)
  body.enable = (able, c) => {
    list.disabled = set.disabled = !able
    if (document.activeElement !== list && all.includes(c.value)) list.value = c.value
  }
  return body
}

function button(c) {
  const body = {}
  body.el = h('button', { type: 'button', onclick: () => body.onwant(c.values?.[0] || 'on') }, c.name)
  body.enable = able => { body.el.disabled = !able }
  return body
}
