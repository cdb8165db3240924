// Names with their values, in cards that stay: news changes values in place, so that the
// focus, a selection and the place of a screen reader are not lost.
import { h, text, swap } from './dom.js'
import { t } from './i18n.js'

export class Facts {
  constructor() {
    this.el = h('dl.facts')
    this.rows = new Map()
  }

  // show takes [key of a text, value, whether it is poor]; a value is a text or what swap
  // takes. What is false is left out.
  show(...pairs) {
    const wanted = pairs.filter(Boolean)
    if (wanted.map(p => p[0]).join() !== [...this.rows.keys()].join()) {
      this.rows = new Map(wanted.map(([key]) => [key, h('dd')]))
      swap(this.el, ...[...this.rows].map(([key, dd]) => h('div', h('dt', t(key)), dd)))
    }
    for (const [key, value, poor] of wanted) {
      const dd = this.rows.get(key)
      dd.className = poor ? 'poor' : ''
      if (Array.isArray(value)) swap(dd, ...value)
      else text(dd, String(value))
    }
  }
}

// showIf shows an element with what it has to say now, or nothing of it.
export function showIf(el, is, ...children) {
  el.hidden = !is
  if (is) swap(el, ...children)
}
