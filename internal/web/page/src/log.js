// The newest log lines, as they come.
import { h, swap, download } from './dom.js'
import { get } from './api.js'
import { t } from './i18n.js'
import { Newest } from './newest.js'
import { when, time } from './format.js'
import { on, store } from './store.js'

const levels = ['DEBUG', 'INFO', 'WARN', 'ERROR']
const most = 1000

class LogView {
  constructor() {
    this.lines = []
    this.loads = new Newest()
    this.level = h('select', { 'aria-label': t('log.level'), onchange: () => this.show() }, levels.map(l => h('option', { value: l, selected: l === 'INFO' }, t('log.' + l.toLowerCase()))))
    this.part = h('select', { 'aria-label': t('log.part'), onchange: () => this.show() })
    this.words = h('input', { type: 'search', placeholder: t('log.words'), 'aria-label': t('log.words'), oninput: () => this.show() })
    this.list = h('ol.log', { tabindex: 0, 'aria-label': t('nav.log') })
    this.el = h('div', h('h1.unseen', t('nav.log')), h('div.tools', this.level, this.part, this.words, h('button', { type: 'button', onclick: () => this.download() }, t('download'))), this.list)
    this.off = [on('log', l => this.take(l)), on('line', () => store.line === 'open' && this.load())]
    this.load()
  }

  // load asks for all lines. Those that the stream brings meanwhile may be in the answer.
  async load() {
    const newest = this.loads.begin(), came = this.came = []
    const lines = await get('log?level=debug').catch(() => null)
    if (!newest()) return
    this.came = null
    if (!lines) return
    const known = new Set(lines.slice(-came.length - 50).map(l => JSON.stringify(l)))
    this.lines = [...lines, ...came.filter(l => !known.has(JSON.stringify(l)))]
    this.parts()
    this.show()
  }

  parts() {
    const all = [...new Set(this.lines.map(l => l.part || ''))].filter(Boolean).sort()
    const was = this.part.value
    swap(this.part, h('option', { value: '' }, t('log.all')), ...all.map(p => h('option', { value: p, selected: p === was }, p)))
  }

  wanted(l) {
    const words = this.words.value.toLowerCase()
    return levels.indexOf(l.level) >= levels.indexOf(this.level.value) && (!this.part.value || l.part === this.part.value) && (!words || (l.text + l.part).toLowerCase().includes(words))
  }

  take(l) {
    this.came?.push(l)
    this.lines.push(l)
    if (this.lines.length > most) this.lines.shift()
    if (l.part && ![...this.part.options].some(o => o.value === l.part)) this.parts()
    if (!this.wanted(l)) return
    if (this.list.firstChild?.className === 'soft') return this.show() // there was none
    this.list.prepend(line(l))
    if (this.list.children.length > most) this.list.lastChild.remove()
  }

  show() {
    const shown = this.lines.filter(l => this.wanted(l)).reverse()
    swap(this.list, ...shown.map(line), shown.length ? null : h('li.soft', t('log.none')))
  }

  download() {
    const text = this.lines.filter(l => this.wanted(l)).map(l => `${l.time} ${l.level} ${l.part ? `[${l.part}] ` : ''}${l.text}\n`).join('')
    download(`${store.status?.node || 'sensorgate'}.log`, 'text/plain', text)
  }

  stop() { this.loads.begin(); this.off.forEach(f => f()) }
}

function line(l) {
  return h('li.' + l.level.toLowerCase(), h('time', { datetime: l.time, title: time(Date.parse(l.time)) }, when(Date.parse(l.time))), h('b', l.level), h('span.part', l.part || ''), h('span.text', l.text))
}

export default () => new LogView()
