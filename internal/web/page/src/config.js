// Configuration: the files with marks as one types, what a save would change, save, undo,
// versions; what could cut the page off must be confirmed. Adding a device is adding.js.
import { h, text, swap, ask } from './dom.js'
import { get, post, Problem } from './api.js'
import { t } from './i18n.js'
import { time } from './format.js'
import { on, now } from './store.js'
import { said, advised } from './state.js'
import { Newest } from './newest.js'
import { Editor, problemRow } from './editor.js'
import { diff } from './diff.js'
import { adding } from './adding.js'

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
    this.files = []
    this.loads = new Newest()
    this.checks = new Newest()
    this.plans = new Newest()
    this.histories = new Newest()
    this.off = [on('config', () => this.changed())]
    this.timer = setInterval(() => this.count(), 1000)
    this.load()
  }

  // load asks for the files again. What somebody types meanwhile stays, with the etag of
  // the text that it was made from: a save of it is refused if the file is another by then.
  async load() {
    const newest = this.loads.begin()
    try {
      const files = await get('config')
      if (!newest()) return
      this.files = files
      const f = this.file
      if (this.outcome) this.outcome.of ??= signature(files)
      if (this.outcome && this.outcome.of !== signature(files)) this.outcome = null
      if (f && this.editor.dirty) this.showTabs()
      else this.show(f && (f.fresh || files.some(x => x.name === f.name)) ? f.name : (files.find(f => f.writable) || files[0])?.name)
      await this.loadVersions()
    } catch (e) { if (newest()) this.say('poor', said(e)) }
  }

  // changed is after a reload of somebody: what one types here stays.
  changed() { this.editor.dirty ? this.loadVersions().catch(() => {}) : this.load() }

  showTabs() {
    const f = this.file
    swap(this.tabs, ...[...this.files, ...(f.fresh ? [f] : [])].map(x => h('button', { type: 'button', role: 'tab', 'aria-selected': x.name === f.name, onclick: () => this.choose(x.name), title: x.name },
      x.name.split('/').pop(), x.writable ? null : h('small', ' · ' + t('config.readonly')))))
  }

  async choose(name) {
    if (name === this.file.name || !await this.leave()) return
    this.outcome = null
    this.show(name)
  }

  show(name) {
    const f = this.files.find(f => f.name === name) || { name, text: '', etag: '', writable: true, fresh: true }
    this.file = f
    this.showTabs()
    this.editor.set(f.text, !f.writable)
    swap(this.about, f.name, f.writable ? null : [' – ', t('config.readonly.text'), ' ', f.paste ? h('code', f.paste) : null])
    for (const b of [this.saveButton, this.planButton, this.removeButton]) b.hidden = !f.writable
    this.removeButton.hidden ||= !!f.fresh
    if (!this.outcome) { this.plans.begin(); swap(this.planned) }
    this.check()
  }

  async leave() {
    return !this.editor.dirty || await ask(t('config.leave'), null, [{ value: '', text: t('cancel') }, { value: 'yes', text: t('config.drop'), main: true }]) === 'yes'
  }

  async fresh() {
    if (!await this.leave()) return
    const name = h('input', { id: 'newfile', value: '50-devices.toml', pattern: '[0-9A-Za-z_.-]+\\.toml', required: true })
    if (await ask(t('config.new'), h('p', h('label', { for: 'newfile' }, t('config.name')), ' ', name), [{ value: '', text: t('cancel') }, { value: 'yes', text: t('config.make'), main: true }]) !== 'yes' || !name.checkValidity()) return
    this.outcome = null
    this.show(name.value)
  }

  // insert puts what a scan or a model gives behind the text of a file that can be saved.
  insert(name, snippet) {
    if (!this.file?.writable) this.show(this.files.find(f => f.writable)?.name || name)
    this.editor.append(snippet)
    this.typed()
  }

  // typed: what was found out of the text before says nothing of this one.
  typed() {
    this.outcome = null
    this.checks.begin()
    this.plans.begin()
    clearTimeout(this.soon)
    this.soon = setTimeout(() => this.check(), 350)
    swap(this.planned)
  }

  edited() { return [{ name: this.file.name, text: this.editor.text }] }

  async check() {
    clearTimeout(this.soon)
    const newest = this.checks.begin()
    try {
      const a = await post('config/check', this.edited())
      if (newest()) this.showProblems(a.problems || [], a.ok)
    } catch (e) { if (newest()) this.say('poor', said(e)) }
  }

  // say writes the verdict. What a save or an undo did stands until something is typed or
  // another file chosen: a check of the same text is no news.
  say(look, what) {
    if (this.outcome) return
    this.verdict.className = 'verdict ' + look
    text(this.verdict, what)
  }

  showProblems(problems, ok) {
    this.say(ok ? 'good' : 'poor', ok ? '● ' + t('config.ok') : '▲ ' + t('config.faults', { n: problems.filter(p => p.severity === 'error').length }))
    this.usable = ok
    this.enable()
    const here = p => p.file === this.file.name || p.file.endsWith('/' + this.file.name)
    this.editor.mark(problems.filter(p => here(p) && p.line))
    swap(this.marks, ...problems.map(p => problemRow(p, `${p.file.split('/').pop()}:${p.line || 1}:${p.column || 1}`, here(p) && (() => this.editor.go(p.line, p.column)))))
  }

  async plan() {
    const newest = this.plans.begin()
    try {
      const was = this.file.text, is = this.editor.text
      const c = await post('config/plan', this.edited())
      if (newest()) swap(this.planned, diff(was, is), ...changes(c))
    } catch (e) { if (newest()) this.failed(e) }
  }

  failed(e) {
    this.outcome = null
    if (e instanceof Problem && e.problems.length) return this.showProblems(e.problems, false)
    this.say('poor', advised(e))
  }

  // act changes the configuration, one thing at a time. Its answer is the newest, whatever
  // was asked before it.
  async act(what, does) {
    if (this.acting) return
    this.acting = true
    this.enable()
    clearTimeout(this.soon)
    this.checks.begin()
    this.plans.begin()
    try {
      const made = await does()
      this.done(what, made)
      await this.load()
    } catch (e) { this.failed(e) }
    this.acting = false
    this.enable()
  }

  enable() {
    this.saveButton.disabled = this.acting || !this.usable
    this.planButton.disabled = this.removeButton.disabled = !!this.acting
    this.undoButton.disabled = this.acting || !this.undoable
  }

  save() {
    const f = this.file, sent = this.editor.text
    return this.act(t('config.saved'), async () => {
      const made = await post('config/files/' + encodeURIComponent(f.name), { text: sent }, 'PUT', f.fresh ? { 'If-None-Match': '*' } : { 'If-Match': f.etag })
      Object.assign(f, { text: sent, etag: made.etag, fresh: false })
      if (!this.files.includes(f)) this.files.push(f)
      if (this.file === f) this.editor.dirty = this.editor.text !== sent
      return made
    })
  }

  done(what, made) {
    this.outcome = null
    this.checks.begin()
    this.plans.begin()
    this.say('good', '● ' + what)
    swap(this.planned, ...changes(made.changes || {}))
    if (this.editor.dirty) this.soon = setTimeout(() => this.check(), 350) // somebody typed on
    else this.outcome = {}
  }

  async undo(version) {
    if (this.acting || !await this.leave()) return
    this.editor.dirty = false
    await this.act(t('config.undone'), () => post('config/undo', { version }))
  }

  async remove() {
    const f = this.file
    if (await ask(t('config.remove.sure', { name: f.name }), null, [{ value: '', text: t('cancel') }, { value: 'yes', text: t('config.remove'), main: true }]) !== 'yes') return
    await this.act(t('config.removed'), async () => {
      const made = await post('config/files/' + encodeURIComponent(f.name), undefined, 'DELETE', { 'If-Match': f.etag })
      if (this.file === f) this.editor.dirty = false
      return made
    })
  }

  async loadVersions() {
    const newest = this.histories.begin()
    const v = await get('config/versions')
    if (!newest()) return
    this.wait = v.waiting
    this.undoable = v.versions.length && !v.waiting
    this.enable()
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
    const { version } = this.wait
    for (let i = 0; ; i++) {
      try { await post('config/confirm', { version }); break } catch (e) { if (i === 12 || !(e instanceof Problem) || e.status !== 409) { this.failed(e); break } }
    }
    await this.loadVersions().catch(() => {})
  }

  stop() { for (const n of [this.loads, this.checks, this.plans, this.histories]) n.begin(); this.off.forEach(f => f()); clearInterval(this.timer); clearTimeout(this.soon); this.adding.stop() }
}

// signature tells whether the files are still those that somebody saw.
const signature = files => files.map(f => f.name + ' ' + f.etag).join('\n')

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
