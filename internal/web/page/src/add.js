// Adding a device, step by step: find it by a scan or by its model, look at its values,
// save it. Nothing is written before the last step.
import { h, text, swap } from './dom.js'
import { get, post, Problem } from './api.js'
import { t } from './i18n.js'
import { value, time } from './format.js'
import { store, now } from './store.js'
import { badge, reason, advised } from './state.js'
import { Newest } from './newest.js'
import { Editor, problemRow } from './editor.js'
import { modelRow } from './adding.js'

const kinds = ['serial', 'i2c', 'spi', 'w1', 'gpio']
const draft = 'zz-preview.toml' // the name under which the gateway checks and tries a text
const again = 3000 // ms between two readings of what is tried

// connections are what a model needs beside its name, by driver; the form has the rest.
const onPort = 'serial = { port = "/dev/ttyUSB0" }\n'
const connections = { modbus: onPort + 'unit   = 1\n', lines: onPort, frames: onPort, nmea: onPort, p1: onPort, sml: onPort, d0: onPort, mbus: onPort, teleinfo: onPort }

// Scan is the first half of the first step.
class Scan {
  constructor(choose) {
    this.choose = choose
    this.asks = new Newest()
    this.list = h('ul.found')
    this.progress = h('p.progress', { role: 'status' })
    this.stopButton = h('button', { type: 'button', hidden: true, onclick: () => this.ask('DELETE') }, t('scan.stop'))
    this.buttons = kinds.map(k => h('button', { type: 'button', onclick: () => this.ask('POST', { kinds: [k] }) }, t('scan.' + k)))
    this.port = h('input', { id: 'scan-port', required: true, list: 'scan-ports', placeholder: '/dev/ttyUSB0', spellcheck: 'false', autocapitalize: 'none' })
    this.ports = h('datalist', { id: 'scan-ports' })
    this.lines = h('input', { id: 'scan-lines', placeholder: '9600 8N1', spellcheck: 'false' })
    this.units = h('input', { id: 'scan-units', placeholder: '1-32', spellcheck: 'false' })
    this.modbusButton = h('button', { type: 'submit' }, t('scan.modbus'))
    const modbus = e => {
      e.preventDefault()
      this.ask('POST', { kinds: ['modbus'], port: this.port.value.trim(), lines: this.lines.value.trim(), units: this.units.value.trim() })
    }
    this.el = h('div', h('div.tools.kinds', { role: 'group', 'aria-label': t('scan') }, this.buttons),
      h('details', h('summary', t('scan.modbus.title')), h('form.fields', { onsubmit: modbus },
        h('label', t('scan.port'), this.port), this.ports, h('label', t('scan.lines'), this.lines), h('label', t('scan.units'), this.units), this.modbusButton)),
      h('div.tools.progressing', this.progress, this.stopButton), this.list)
    this.ask('GET')
  }

  async ask(method, body) {
    const newest = this.asks.begin()
    clearTimeout(this.timer)
    this.running(true)
    try {
      const s = await (method === 'GET' ? get('scan') : post('scan', body, method))
      if (newest()) this.show(s)
    } catch (e) {
      if (!newest()) return
      this.running(false)
      this.progress.className = 'progress poor'
      text(this.progress, advised(e))
      if (e instanceof Problem && e.status === 409) this.timer = setTimeout(() => this.ask('GET'), 2000)
    }
  }

  running(is) { for (const b of [...this.buttons, this.modbusButton]) b.disabled = is }

  show(s) {
    this.mine = s.running
    this.running(s.running)
    this.stopButton.hidden = !s.running
    const ever = Date.parse(s.started) > 0
    this.progress.className = 'progress'
    if (s.running) swap(this.progress, h('progress', { max: s.all || 1, value: s.all ? s.done : null }), ' ', t('scan.' + (s.kind || 'runs')), ' ', h('span.soft', s.what || ''))
    else text(this.progress, ever ? t('scan.ended', { n: s.found.length, time: time(Date.parse(s.started), 'clock') }) : t('scan.never'))
    swap(this.list, ...s.found.map(f => this.one(f)), ...s.failed.map(f => h('li.poor', '▲ ', f)))
    swap(this.ports, ...s.found.filter(f => f.kind === 'serial').map(f => h('option', { value: f.where })))
    if (s.running) this.timer = setTimeout(() => this.ask('GET'), 700)
  }

  one(f) {
    return h('li', h('div', h('b', f.title || f.where), ' ', f.title.includes(f.where) ? null : h('span.soft', f.where), ' ', f.sure ? h('span.state.ok', '● ', t('scan.sure')) : null,
      f.used ? h('div.soft', t('scan.used', { by: f.used })) : null, f.note ? h('div.soft', f.note) : null),
    f.text && !f.used ? h('button', { type: 'button', onclick: () => this.choose(f) }, t('scan.take')) : null)
  }

  stop() {
    this.asks.begin()
    clearTimeout(this.timer)
    if (this.mine) post('scan', undefined, 'DELETE').catch(() => {})
  }
}

// Search is the other half: a model by a word.
class Search {
  constructor(choose) {
    this.choose = choose
    this.asks = new Newest()
    this.words = h('input', { type: 'search', placeholder: t('add.search'), 'aria-label': t('add.search'), oninput: () => { clearTimeout(this.soon); this.soon = setTimeout(() => this.ask(), 300) } })
    this.list = h('ul.found')
    this.el = h('div', this.words, this.list)
  }

  async ask() {
    const q = this.words.value.trim(), newest = this.asks.begin()
    if (!q) return swap(this.list)
    try {
      const models = await get('models?search=' + encodeURIComponent(q))
      if (newest()) swap(this.list, ...models.slice(0, 30).map(m => modelRow(m, t('scan.take'), () => this.choose(m))), models.length ? null : h('li.soft', t('add.none')))
    } catch (e) { if (newest()) swap(this.list, h('li.poor', advised(e))) }
  }

  stop() { this.asks.begin(); clearTimeout(this.soon) }
}

// proposal is a name that no device has.
function proposal(wish) {
  const name = (wish || '').split('/').pop().toLowerCase().replace(/[^a-z0-9_-]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 40) || 'device'
  let one = name
  for (let n = 2; store.devices.some(d => d.name === one); n++) one = `${name}_${n}`
  return one
}

class AddView {
  constructor() {
    this.tries = new Newest()
    this.checks = new Newest()
    this.scan = new Scan(f => this.take({ found: f }))
    this.search = new Search(m => this.take({ model: m }))
    this.naming = h('input', { id: 'add-name', required: true, pattern: '[a-z0-9_-]+', spellcheck: 'false', autocapitalize: 'none', oninput: () => this.renamed() })
    this.need = h('p.warn-text', { hidden: true }, '◆ ', t('add.model'))
    this.editor = new Editor(() => this.typed())
    this.marks = h('ul.marks')
    this.verdict = h('p.verdict', { role: 'status' })
    this.values = h('div.readings')
    this.tryButton = h('button', { type: 'button', onclick: () => this.try() }, t('add.try'))
    this.saveButton = h('button.main', { type: 'button', onclick: () => this.save() }, t('add.save'))
    this.second = h('section.card', { hidden: true, 'aria-label': t('add.second') }, h('h2', t('add.second')),
      h('p.fields', h('label', { for: 'add-name' }, t('add.name')), this.naming), this.need, this.editor.el, this.marks,
      h('div.buttons', this.tryButton, this.saveButton), this.verdict, this.values)
    this.el = h('div.add', h('h1', t('add')), h('p.soft', t('add.text')),
      h('div.halves', h('section.card', { 'aria-label': t('scan') }, h('h2', t('scan')), this.scan.el), h('section.card', { 'aria-label': t('add.models') }, h('h2', t('add.models')), this.search.el)), this.second)
  }

  // take begins with what was chosen: a thing that a scan found, a model, or one after the other.
  take({ found, model }) {
    if (found) { this.found = found; this.model = null } else { this.model = model; if (!this.found?.needs) this.found = null }
    const f = this.found, m = this.model
    this.called = proposal(m ? m.name : f.name)
    this.naming.value = this.called
    this.need.hidden = !(f?.needs && !m)
    this.editor.set(`[device.${this.called}]\n` + (m ? `model  = "${m.name}"\n` : '') + (f ? f.text : connections[m.driver] || ''), false)
    this.second.hidden = false
    this.typed()
    if (this.need.hidden) this.second.scrollIntoView({ block: 'start' })
    else this.search.words.focus()
  }

  renamed() {
    const next = this.naming.value
    if (!this.naming.checkValidity() || next === this.called) return
    const header = new RegExp(`^(\\s*\\[device\\.)${this.called}(?=[.\\]])`, 'gm')
    this.editor.set(this.editor.text.replace(header, `$1${next}`), false)
    this.called = next
    this.typed()
  }

  // typed: what was read by another text says nothing of this one.
  typed() {
    this.tries.begin()
    this.checks.begin()
    clearTimeout(this.timer)
    clearTimeout(this.soon)
    this.soon = setTimeout(() => this.check(), 350)
    swap(this.values)
    swap(this.marks)
    text(this.verdict, '')
    this.enable(this.need.hidden)
  }

  enable(is) { this.tryButton.disabled = this.saveButton.disabled = !is }

  say(look, what) {
    this.verdict.className = 'verdict ' + look
    text(this.verdict, what)
  }

  async check() {
    if (!this.need.hidden && !/^\s*(model|driver)\s*=/m.test(this.editor.text)) return // said already
    this.need.hidden = true
    this.enable(true)
    const newest = this.checks.begin()
    try {
      const a = await post('config/check', [{ name: draft, text: this.editor.text }])
      if (newest()) this.showProblems(a.problems || [])
    } catch (e) { if (newest()) this.say('poor', advised(e)) }
  }

  showProblems(problems) {
    const here = problems.filter(p => p.file === draft || p.file.endsWith('/' + draft) || p.severity === 'error')
    this.editor.mark(here.filter(p => p.line && p.file.endsWith(draft)))
    swap(this.marks, ...here.map(p => problemRow(p, `${p.line || 1}:${p.column || 1}`, () => this.editor.go(p.line || 1, p.column))))
    return here.some(p => p.severity === 'error')
  }

  failed(e) {
    if (e instanceof Problem && e.problems.length) this.showProblems(e.problems)
    this.say('poor', advised(e))
  }

  // try reads the device, and again while it answers: values that move say that it is the
  // right one.
  async try(quietly) {
    const newest = this.tries.begin()
    clearTimeout(this.timer)
    if (!quietly) {
      this.enable(false)
      this.say('', t('add.reading'))
    }
    try {
      const all = await post('preview', { text: this.editor.text }, 'POST', {}, 120000)
      if (!newest()) return
      this.show(all)
      if (all.every(d => d.ok)) this.timer = setTimeout(() => this.repeat(), again)
    } catch (e) {
      if (!newest()) return
      if (quietly && e instanceof Problem && e.status === 409) this.timer = setTimeout(() => this.repeat(), again) // a reload runs
      else this.failed(e)
    }
    this.enable(true)
  }

  repeat() { document.hidden ? this.timer = setTimeout(() => this.repeat(), again) : this.try(true) }

  show(all) {
    const ok = all.every(d => d.ok), skipped = all.some(d => d.skipped)
    this.say(ok ? 'good' : skipped ? 'warn-text' : 'poor', ok ? '● ' + t('add.answers', { time: time(now(), 'clock') }) : skipped ? '◆ ' + t('add.skipped') : '▲ ' + t('add.silent'))
    swap(this.values, ...all.map(d => h('div', all.length > 1 ? h('h3', d.name) : null, d.ok ? null : h('p', ...reason(d.text).flat()), table(d.channels), d.unlisted?.length ? [h('p.soft', t('add.unlisted')), table(d.unlisted)] : null)))
  }

  async save() {
    this.tries.begin()
    clearTimeout(this.timer)
    this.enable(false)
    this.say('', t('add.saving'))
    const newest = this.tries.begin()
    try {
      await post('config/devices', { text: this.editor.text }, 'POST', {}, 120000)
      if (!newest()) return
      swap(this.marks)
      swap(this.verdict, '● ', t('add.saved', { name: this.called }), ' ', h('a', { href: '#/now' }, t('nav.now')), ' · ', h('a', { href: '#/config' }, t('nav.config')))
      this.verdict.className = 'verdict good'
      this.found = this.model = null
      return // saved once is enough: the buttons wait for another text
    } catch (e) { if (newest()) this.failed(e) }
    this.enable(true)
  }

  stop() {
    this.tries.begin()
    this.checks.begin()
    clearTimeout(this.timer)
    clearTimeout(this.soon)
    this.scan.stop()
    this.search.stop()
  }
}

function table(channels) {
  if (!channels?.length) return null
  return h('table.list', h('tbody', channels.map(c => h('tr', h('th', { scope: 'row' }, c.name), h('td.value', h('span.number', value(c.value, c)), h('span.unit', c.unit || '')),
    h('td', c.state && c.state !== 'ok' ? [badge(c.state), ' ', ...reason(c.error).flat()] : null)))))
}

export default () => new AddView()
