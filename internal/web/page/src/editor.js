// A text field with line numbers and marks. The marks stand in a copy of the text behind
// the field: the field stays the browser's own, with its keys, undo and screen readers.
import { h, swap, text } from './dom.js'
import { t } from './i18n.js'

export class Editor {
  constructor(typed) {
    this.field = h('textarea', { spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off', wrap: 'off', rows: 18, 'aria-label': t('config.text') })
    this.back = h('pre.back', { 'aria-hidden': 'true' })
    this.lines = h('pre.lines', { 'aria-hidden': 'true' })
    this.el = h('div.editor', this.lines, h('div.stack', this.back, this.field))
    this.dirty = false
    this.marks = []
    this.field.addEventListener('input', () => { this.dirty = true; this.marks = []; this.draw(); typed() })
    this.field.addEventListener('scroll', () => { this.back.scrollTop = this.lines.scrollTop = this.field.scrollTop; this.back.scrollLeft = this.field.scrollLeft })
    this.field.addEventListener('keydown', e => this.key(e))
  }

  get text() { return this.field.value }

  set(value, readOnly) {
    this.field.value = value
    this.field.readOnly = readOnly
    this.dirty = false
    this.marks = []
    this.draw()
  }

  append(snippet) {
    const was = this.field.value.trimEnd()
    this.field.value = (was ? was + '\n\n' : '') + snippet.trim() + '\n'
    this.dirty = true
    this.draw()
    this.field.scrollTop = this.field.scrollHeight
    this.field.focus()
  }

  // Ctrl-S saves where people expect it; Escape leaves the field for those without a mouse.
  key(e) { if (e.key === 'Escape') this.field.blur() }

  mark(problems) { this.marks = problems; this.draw() }

  draw() {
    const all = this.field.value.split('\n')
    const by = new Map()
    for (const p of this.marks) if (!by.has(p.line) || p.severity === 'error') by.set(p.line, p)
    swap(this.lines, ...all.map((_, i) => { const p = by.get(i + 1); return p ? h('span.' + p.severity, `▲${i + 1}\n`) : `${i + 1}\n` }).map(x => typeof x === 'string' ? document.createTextNode(x) : x))
    swap(this.back, ...all.flatMap((line, i) => {
      const p = by.get(i + 1)
      if (!p) return document.createTextNode(line + '\n')
      const from = Math.max(0, (p.column || 1) - 1), to = p.endColumn > p.column ? p.endColumn - 1 : line.length
      return [document.createTextNode(line.slice(0, from)), h('mark.' + p.severity, line.slice(from, Math.max(to, from + 1)) || ' '), document.createTextNode(line.slice(Math.max(to, from + 1)) + '\n')]
    }))
  }

  // go puts the cursor to a place, counted from 1.
  go(line, column) {
    const at = this.field.value.split('\n').slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0) + (column || 1) - 1
    this.field.focus()
    this.field.setSelectionRange(at, at)
    this.field.scrollTop = (line - 5) * parseFloat(getComputedStyle(this.field).lineHeight)
  }
}

// problemRow is one fault of a text: its place, which leads there if go is given, the key,
// what is wrong and what to try.
export function problemRow(p, place, go) {
  return h('li.' + p.severity, h('button.place', { type: 'button', disabled: !go, onclick: go || null }, place), ' ', p.path ? h('code', p.path) : null, ' ', p.text,
    (p.notes || []).map(n => h('div.try', { expected: t('expected'), try: t('try') }[n.label] || n.label, ' ', h('code', n.text))))
}
