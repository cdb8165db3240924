// Configuration: the files with marks as one types, what a save would change, save, undo,
// versions; what could cut the page off must be confirmed. Adding a device is adding.js.
import { h, text, swap, toggle, ask } from './dom.js'
import { get, post, Problem } from './api.js'
import { t } from './i18n.js'
import { time } from './format.js'
import { store, on, now } from './store.js'
import { Editor } from './editor.js'
import { adding } from './adding.js'

const said = e => e instanceof Problem ? [e.title, e.detail].filter(Boolean).join(': ') : t('gone.title')

class ConfigView {
  constructor() {
    this.tabs = h('div.tabs', { role: 'tablist', 'aria-label': t('config.files') })
    this.editor = new Editor(() => this.typed())
    this.about = h('p.soft')
    this.verdict = h('p.verdict', { role: 'status' })
    this.marks = h('ul.marks')
    this.planned = h('div.plan')
    this.saveButton = h('button.main', { type: 'button', onclick: () => this.save() }, t('config.save'))
    this.planButton = h('button', { type: 'button', onclick: () => this.plan() }, t('config.plan'))
    this.undoButton = h('button', { type: 'button', onclick: () => this.undo(0) }, t('config.undo'))
    this.removeButton = h('button', { type: 'button', onclick: () => this.remove() }, t('config.remove'))
    this.versions = h('div.versions')
    this.waiting = h('div')
    this.adding = adding((name, snippet) => this.insert(name, snippet))
    this.el = h('div.configuration', h('h1.unseen', t('nav.config')), this.waiting, h('div.tools', this.tabs, h('button', { type: 'button', onclick: () => this.fresh() }, t('config.new'))),
      h('div.sides', h('section.card', this.about, this.editor.el, h('div.buttons', this.removeButton, this.undoButton, this.planButton, this.saveButton), this.verdict, this.marks, this.planned),
        h('div', this.adding.el, h('section.card', h('h2', t('config.versions')), this.versions))))
    this.off = [on('config', () => this.changed())]
    this.timer = setInterval(() => this.count(), 1000)
    this.load()
  }

  async load(name) {
    try {
      this.files = await get('config')
      this.show(name || this.file?.name || this.files.find(f => f.writable)?.name || this.files[0]?.name)
      await this.loadVersions()
    } catch (e) { text(this.verdict, said(e)) }
  }

  // changed is after a reload of somebody: what one types here stays.
  changed() { this.editor.dirty ? this.loadVersions().catch(() => {}) : this.load() }

  show(name) {
    const f = this.files.find(f => f.name === name) || { name, text: '', etag: '', writable: true, fresh: true }
    this.file = f
    swap(this.tabs, ...[...this.files, ...(f.fresh ? [f] : [])].map(x => h('button', { type: 'button', role: 'tab', 'aria-selected': x.name === name, onclick: async () => { if (await this.leave()) this.show(x.name) }, title: x.name },
      x.name.split('/').pop(), x.writable ? null : h('small', ' · ' + t('config.readonly')))))
    this.editor.set(f.text, !f.writable)
    swap(this.about, f.name, f.writable ? null : [' – ', t('config.readonly.text'), ' ', f.paste ? h('code', f.paste) : null])
    for (const b of [this.saveButton, this.planButton, this.removeButton]) b.hidden = !f.writable
    this.removeButton.hidden ||= !!f.fresh
    swap(this.planned)
    this.check()
  }

  async leave() {
    return !this.editor.dirty || await ask(t('config.leave'), null, [{ value: '', text: t('cancel') }, { value: 'yes', text: t('config.drop'), main: true }]) === 'yes'
  }

  async fresh() {
    if (!await this.leave()) return
    const name = h('input', { id: 'newfile', value: '50-devices.toml', pattern: '[0-9A-Za-z_.-]+\\.toml', required: true })
    if (await ask(t('config.new'), h('p', h('label', { for: 'newfile' }, t('config.name')), ' ', name), [{ value: '', text: t('cancel') }, { value: 'yes', text: t('config.make'), main: true }]) === 'yes' && name.checkValidity()) this.show(name.value)
  }

  // insert puts what a scan or a model gives behind the text of a file that can be saved.
  insert(name, snippet) {
    if (!this.file.writable) this.show(this.files.find(f => f.writable)?.name || name)
    this.editor.append(snippet)
    this.typed()
  }

  typed() {
    clearTimeout(this.soon)
    this.soon = setTimeout(() => this.check(), 350)
    swap(this.planned)
  }

  edited() { return [{ name: this.file.name, text: this.editor.text }] }

  async check() {
    const round = this.round = (this.round || 0) + 1
    try {
      const a = await post('config/check', this.edited())
      if (round === this.round) this.showProblems(a.problems || [], a.ok)
    } catch (e) { if (round === this.round) { text(this.verdict, said(e)); this.verdict.className = 'verdict poor' } }
  }

  showProblems(problems, ok) {
    this.verdict.className = 'verdict ' + (ok ? 'good' : 'poor')
    text(this.verdict, ok ? '● ' + t('config.ok') : '▲ ' + t('config.faults', { n: problems.filter(p => p.severity === 'error').length }))
    this.saveButton.disabled = !ok
    const here = p => p.file === this.file.name || p.file.endsWith('/' + this.file.name)
    this.editor.mark(problems.filter(p => here(p) && p.line))
    swap(this.marks, ...problems.map(p => h('li.' + p.severity, h('button.place', { type: 'button', disabled: !here(p), onclick: () => this.editor.go(p.line, p.column) }, `${p.file.split('/').pop()}:${p.line || 1}:${p.column || 1}`), ' ', p.path ? h('code', p.path) : null, ' ', p.text,
      (p.notes || []).map(n => h('div.try', n.label, ' ', h('code', n.text))))))
  }

  async plan() {
    try { swap(this.planned, ...changes(await post('config/plan', this.edited()))) } catch (e) { this.failed(e) }
  }

  failed(e) {
    if (e instanceof Problem && e.problems.length) return this.showProblems(e.problems, false)
    this.verdict.className = 'verdict poor'
    text(this.verdict, said(e) + (e.try ? ` (${t('try')} ${e.try})` : ''))
  }

  async save() {
    const f = this.file
    try {
      const made = await post('config/files/' + encodeURIComponent(f.name), { text: this.editor.text }, 'PUT', f.fresh ? { 'If-None-Match': '*' } : { 'If-Match': f.etag })
      this.done(t('config.saved'), made)
      await this.load(f.name)
    } catch (e) { this.failed(e) }
  }

  done(what, made) {
    this.editor.dirty = false
    this.verdict.className = 'verdict good'
    text(this.verdict, '● ' + what)
    swap(this.planned, ...changes(made.changes || {}))
  }

  async undo(version) {
    if (!await this.leave()) return
    try { this.done(t('config.undone'), await post('config/undo', { version })); await this.load() } catch (e) { this.failed(e) }
  }

  async remove() {
    if (await ask(t('config.remove.sure', { name: this.file.name }), null, [{ value: '', text: t('cancel') }, { value: 'yes', text: t('config.remove'), main: true }]) !== 'yes') return
    try {
      this.done(t('config.removed'), await post('config/files/' + encodeURIComponent(this.file.name), undefined, 'DELETE', { 'If-Match': this.file.etag }))
      this.file = null
      await this.load()
    } catch (e) { this.failed(e) }
  }

  async loadVersions() {
    const v = await get('config/versions')
    this.wait = v.waiting
    this.undoButton.disabled = !v.versions.length || !!v.waiting
    swap(this.versions, ...(v.versions || []).map(x => h('details', h('summary', time(Date.parse(x.time)), ' ', h('span.soft', x.file, x.user ? ' · ' + x.user : '')),
      h('pre', { tabindex: 0 }, x.gone ? t('config.gone') : x.text), h('button', { type: 'button', onclick: () => this.undo(x.id) }, t('config.putback')))), v.versions?.length ? null : h('p.soft', t('config.versions.none')))
    if (!v.writable) swap(this.versions, h('p.soft', t('config.nodata')))
    this.count()
  }

  // count shows what waits to be confirmed, and how long.
  count() {
    if (!this.wait) { this.waiting.hidden = true; return }
    const left = Math.round((Date.parse(this.wait.until) - now()) / 1000)
    if (left < 0) { this.wait = null; this.load(); return }
    if (!this.waitText) {
      this.waitText = h('span')
      swap(this.waiting, h('div.note.warn', { 'data-note': 'confirm' }, h('span', { 'aria-hidden': 'true' }, '◆'), h('div', this.waitText, ' ', h('button.main', { type: 'button', onclick: () => this.keep() }, t('config.keep')))))
    }
    this.waiting.hidden = false
    text(this.waitText, t('config.waits', { file: this.wait.file, n: left }))
  }

  // keep confirms over a new connection. Each old one that a browser still has, up to six for
  // a host, is refused and closed by the gateway; then it makes a new one.
  async keep() {
    for (let i = 0; ; i++) {
      try { await post('config/confirm', { version: this.wait.version }); break } catch (e) { if (i === 12 || !(e instanceof Problem) || e.status !== 409) { this.failed(e); break } }
    }
    await this.loadVersions().catch(() => {})
  }

  stop() { this.off.forEach(f => f()); clearInterval(this.timer); clearTimeout(this.soon); this.adding.stop() }
}

// changes lists what a reload changes, for people.
function changes(c) {
  const lines = []
  const list = (sign, what, all) => { for (const x of all || []) lines.push(h('li.' + ({ '+': 'added', '−': 'removed', '~': 'changed' })[sign], sign + ' ', h('b', [what, x.name || x].filter(Boolean).join(' ')), (x.why || []).map(w => h('div.soft', w)))) }
  for (const k of ['serial', 'devices', 'bridges']) {
    const one = { serial: 'serial', devices: 'device', bridges: 'bridge' }[k]
    list('+', one, c[k]?.added)
    list('~', one, c[k]?.changed)
    list('−', one, c[k]?.removed)
  }
  for (const k of ['broker', 'web', 'history']) list('~', '', c[k])
  const restart = (c.restart || []).map(x => h('li.poor', h('b', x.name), (x.why || []).map(w => h('div.soft', w))))
  return [lines.length || restart.length ? null : h('p.soft', t('config.plan.none')), restart.length ? h('p.poor', t('config.plan.restart')) : null, h('ul', restart, lines)]
}

export default () => new ConfigView()
