// Plots: what one or several channels measured in the last day, week, month or 400 days.
import { h, text, swap, download, breakable } from './dom.js'
import { get, channelPath } from './api.js'
import { t } from './i18n.js'
import { Newest } from './newest.js'
import { number, time, value, span, count } from './format.js'
import { store, on, now, deviceOf } from './store.js'
import { Plot, gaps, unitsOf } from './plot.js'
import { star } from './now.js'
import { control } from './command.js'
import { badge, reason, said } from './state.js'

const ranges = { '1h': [3600, ''], '24h': [86400, '1m'], '7d': [7 * 86400, '10m'], '30d': [30 * 86400, '1h'], '400d': [400 * 86400, '24h'] }
const most = 4 // channels in one plot: more colours cannot be told apart
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

class PlotView {
  constructor(params) {
    this.chips = h('div.chips')
    this.pick = h('select', { 'aria-label': t('plot.add'), onchange: () => this.add(this.pick.value) })
    this.rangeButtons = Object.keys(ranges).map(r => h('button', { type: 'button', onclick: () => this.go({ r, from: null, to: null }) }, t('range.' + r)))
    this.back = h('button', { type: 'button', onclick: () => this.shift(-0.5), 'aria-label': t('plot.earlier') }, '‹')
    this.forth = h('button', { type: 'button', onclick: () => this.shift(0.5), 'aria-label': t('plot.later') }, '›')
    this.closer = h('button', { type: 'button', onclick: () => this.scale(0.5), 'aria-label': t('plot.closer') }, '+')
    this.wider = h('button', { type: 'button', onclick: () => this.scale(2), 'aria-label': t('plot.wider') }, '−')
    this.barsButton = h('button', { type: 'button', onclick: () => this.go({ bars: this.bars === '1h' ? '24h' : this.bars === '24h' ? null : '1h' }) })
    this.csv = h('button', { type: 'button', onclick: () => this.download() }, 'CSV')
    this.readout = h('div.readout', { role: 'status' })
    this.canvas = h('div.plot', { tabindex: 0, role: 'img', onkeydown: e => this.keys(e), ondblclick: () => this.go({ from: null, to: null }) })
    this.problem = h('p.note.warn', { hidden: true })
    this.gapList = h('ul.gaps')
    this.table = h('div.beside', { tabindex: 0 })
    this.live = h('div.live')
    this.el = h('div.plots', h('h1.unseen', t('nav.plot')),
      h('div.tools', this.chips, this.pick), this.live,
      h('div.tools', h('div.switch', { role: 'group', 'aria-label': t('plot.range') }, this.rangeButtons), h('div.switch', this.back, this.wider, this.closer, this.forth), this.barsButton, this.csv),
      this.problem,
      h('div.sides', h('div.card', this.readout, this.canvas, this.gapList), h('div.card', this.table)))
    this.plot = new Plot(this.canvas, { zoom: (a, b) => this.go({ from: a, to: b }), cursor: at => this.showCursor(at) })
    this.loads = new Newest()
    this.off = [on('devices', () => this.params(this.query)), on('values', () => this.liveValues()), on('states', change => this.states(change)), on('me', () => this.liveValues())]
    this.timer = setInterval(() => { if (!document.hidden && !this.fixed) this.load() }, 30000)
    this.params(params)
  }

  // params takes what stands behind the # of the address.
  params(p) {
    this.query = p
    this.names = p.getAll('c').filter(c => store.channels.has(c)).slice(0, most)
    this.r = ranges[p.get('r')] ? p.get('r') : '24h'
    this.fixed = p.get('from') && p.get('to') ? [+p.get('from'), +p.get('to')] : null
    this.bars = ['1h', '24h'].includes(p.get('bars')) ? p.get('bars') : null
    this.showTools()
    this.load()
  }

  // go writes the address; the browser's back button undoes it.
  go(change) {
    const p = new URLSearchParams()
    for (const c of change.c || this.names) p.append('c', c)
    p.set('r', change.r || this.r)
    const fixed = 'from' in change ? change.from && [change.from, change.to] : this.fixed
    if (fixed) { p.set('from', Math.round(fixed[0])); p.set('to', Math.round(fixed[1])) }
    const bars = 'bars' in change ? change.bars : this.bars
    if (bars) p.set('bars', bars)
    location.hash = '#/plot?' + p
  }

  add(name) { if (name && !this.names.includes(name)) this.go({ c: [...this.names, name] }) }

  range() {
    if (this.fixed) return this.fixed
    const to = now() / 1000
    return [to - ranges[this.r][0], to]
  }

  shift(by) {
    const [a, b] = this.range()
    this.go({ from: a + (b - a) * by, to: b + (b - a) * by })
  }

  scale(by) {
    const [a, b] = this.range(), middle = this.at || (a + b) / 2, half = Math.max(30, (b - a) * by / 2)
    const end = Math.min(middle + half, now() / 1000)
    this.go({ from: end - 2 * half, to: end })
  }

  keys(e) {
    const all = { ArrowLeft: () => this.plot.move(e.shiftKey ? -20 : -1), ArrowRight: () => this.plot.move(e.shiftKey ? 20 : 1), '+': () => this.scale(0.5), '-': () => this.scale(2), Escape: () => this.go({ from: null, to: null }) }
    if (!all[e.key]) return
    e.preventDefault()
    all[e.key]()
  }

  showTools() {
    swap(this.chips, ...this.names.map((n, i) => {
      const c = store.channels.get(n)
      return h('span.chip', h('i', { 'data-colour': i, 'aria-hidden': 'true' }), n, star(c),
        h('button.x', { type: 'button', 'aria-label': t('plot.remove', { name: n }), onclick: () => this.go({ c: this.names.filter(x => x !== n) }) }, '×'))
    }))
    const rest = [...store.channels.keys()].filter(n => !this.names.includes(n))
    swap(this.pick, h('option', { value: '' }, t(this.names.length ? 'plot.add' : 'plot.choose')), ...rest.map(n => h('option', { value: n }, n)))
    this.pick.hidden = this.names.length >= most
    Object.keys(ranges).forEach((r, i) => this.rangeButtons[i].setAttribute('aria-pressed', !this.fixed && r === this.r))
    const totals = this.names.some(n => store.channels.get(n)?.kind === 'total')
    this.barsButton.hidden = !totals
    text(this.barsButton, t(this.bars === '1h' ? 'plot.bars.hour' : this.bars === '24h' ? 'plot.bars.day' : 'plot.bars'))
    this.barsButton.setAttribute('aria-pressed', !!this.bars)
    this.csv.disabled = !this.names.length
    this.liveControls()
  }

  liveControls() {
    const rows = this.names.map(n => {
      const c = store.channels.get(n), d = deviceOf(c)
      const number_ = h('span.number'), ctl = c.writable ? control(c) : null, state = h('span')
      const show = () => {
        const c = store.channels.get(n)
        if (!c) return
        text(number_, value(c.value, c))
        const bad = c.state !== 'ok' && c.state !== 'starting'
        if (state.dataset.error !== (bad ? c.error : '')) { state.dataset.error = bad ? c.error : ''; swap(state, ...(bad ? [badge(c.state), ' ', ...reason(c.error).flat()] : [])) }
        ctl?.update()
      }
      show()
      return { el: h('div.livevalue', number_, h('span.unit', c.unit || ''), h('span.soft', ' ' + (d?.model || d?.driver || '')), state, ctl?.el), show }
    })
    this.liveRows = rows
    swap(this.live, ...(rows.length === 1 ? [rows[0].el] : []))
  }

  // states: a gap begins or ends. Several channels of a device change together.
  states(change) {
    this.liveValues()
    if (this.fixed || !change || !this.names.some(n => n.startsWith(change.device.name + '/'))) return
    this.soon ||= setTimeout(() => { this.soon = 0; this.load() }, 1000)
  }

  liveValues() { if (this.names.length === 1) this.liveRows?.[0]?.show() }

  async load() {
    const newest = this.loads.begin()
    if (!this.names.length) { swap(this.table); text(this.readout, t('plot.choose.text')); this.canvas.hidden = true; return }
    this.canvas.hidden = false
    const [from, to] = this.range()
    const iso = s => new Date(s * 1000).toISOString()
    const width = this.fixed ? slotFor(to - from) : ranges[this.r][1]
    try {
      const answers = await Promise.all(this.names.map(async n => {
        const c = store.channels.get(n)
        const q = `/history?from=${iso(from)}&to=${iso(to)}&zone=${encodeURIComponent(zone)}`
        const every = this.bars && c.kind === 'total' ? this.bars : width
        const a = await get(channelPath(c.device, c.name) + q + (every ? '&every=' + every : ''))
        return { ...a, name: n, channel: c, every: a.every_seconds, bars: growth(a.points) }
      }))
      if (!newest()) return
      this.show(answers, from, to)
    } catch (e) {
      if (!newest()) return
      this.problem.hidden = false
      text(this.problem, said(e))
    }
  }

  show(answers, from, to) {
    this.answers = answers
    this.drawn = [from, to]
    this.problem.hidden = unitsOf(answers).length <= 2
    text(this.problem, t('plot.units'))
    const bars = this.bars && answers.every(a => a.channel.kind === 'total')
    this.plot.draw(answers, from, to, bars)
    this.canvas.setAttribute('aria-label', t('plot.label', { names: this.names.join(', '), from: time(from * 1000), to: time(to * 1000) }))
    this.showCursor(null)
    const list = gaps(answers, from, to)
    swap(this.gapList, ...list.slice(-12).reverse().map(([a, b, why]) => h('li', h('i.gapmark', { 'aria-hidden': 'true' }), `${time(a * 1000)} – ${time(b * 1000, 'clock')} (${span(b - a)}): `, why)))
    this.showTable(bars)
  }

  // showTable puts beside the plot what it draws, for those who cannot see it and those
  // who want the figures.
  showTable(bars) {
    const rows = new Map()
    this.answers.forEach((a, i) => {
      const put = (at, what) => { if (!rows.has(at)) rows.set(at, []); rows.get(at)[i] = what }
      if (a.kind === 'state') a.states.forEach(s => put(Date.parse(s.time) / 1000, stateText(s.state)))
      else if (bars) a.bars.forEach(b => put(b[0], number(b[1], a.channel.digits)))
      else a.points.forEach(p => put(p[0], p[5] > 1 ? [number(p[2], a.channel.digits), ' ', h('span.soft', `${number(p[1], a.channel.digits)}…${number(p[3], a.channel.digits)}`)] : number(p[3], a.channel.digits)))
    })
    const newest = [...rows.keys()].sort((a, b) => b - a)
    const every = Math.min(...this.answers.map(a => a.kind === 'state' ? 0 : a.every || 0))
    const style = every >= 86400 ? 'day' : every >= 60 ? 'minute' : this.range()[1] - this.range()[0] > 86400 ? 'full' : 'clock'
    swap(this.table, h('table', h('caption.unseen', t('plot.table')),
      h('thead', h('tr', h('th', { scope: 'col' }, t('time')), this.answers.map(a => h('th', { scope: 'col' }, breakable(a.name), a.unit ? h('span.soft', ` ${a.unit}`) : null)))),
      h('tbody', newest.slice(0, 300).map(at => h('tr', h('th', { scope: 'row' }, time(at * 1000, style)), this.answers.map((a, i) => h('td', rows.get(at)[i] ?? '')))))),
      newest.length > 300 ? h('p.soft', t('plot.rest', { n: count(newest.length - 300) })) : newest.length ? null : h('p.soft', t('plot.nothing')))
  }

  showCursor(at) {
    this.at = at
    if (!this.answers) return
    const parts = this.answers.map((a, i) => {
      const p = nearest(a, at)
      return h('span', h('i', { 'data-colour': i, 'aria-hidden': 'true' }), h('span.soft', a.name + ' '), h('b', p === undefined ? '–' : p), ' ', a.unit || '')
    })
    const why = at && gaps(this.answers, ...this.drawn).find(g => g[0] <= at && at <= g[1])
    swap(this.readout, h('span.soft', at ? time(at * 1000) : t('plot.newest')), ...parts, why ? h('span.poor', why[2]) : null)
  }

  // download makes the CSV of what is shown.
  download() {
    const quote = s => /[",\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s
    const lines = ['device,channel,unit,time,min,mean,max,last,count']
    for (const a of this.answers || []) {
      const head = [a.device, a.channel.name, a.unit || ''].map(quote).join(',')
      for (const p of a.points) lines.push(`${head},${new Date(p[0] * 1000).toISOString()},${p.slice(1).join(',')}`)
      for (const s of a.kind === 'state' ? a.states : []) lines.push(`${head},${s.time},,,,${quote(s.state)},1`)
    }
    download(`${store.status?.node || 'sensorgate'}-${this.names.join('+').replaceAll('/', '.')}.csv`, 'text/csv', lines.join('\r\n') + '\r\n')
  }

  stop() {
    this.loads.begin() // an answer that comes later draws nothing
    clearInterval(this.timer)
    clearTimeout(this.soon)
    this.off.forEach(f => f())
    this.plot.destroy()
  }
}

// slotFor: as fine as a screen can show; single values below an hour.
function slotFor(seconds) {
  for (const [least, every] of [[100 * 86400, '24h'], [14 * 86400, '1h'], [3 * 86400, '10m'], [6 * 3600, '1m'], [3600, '10s']]) if (seconds > least) return every
  return ''
}

// growth is how much a total grew in each slot. After a reset it began at nothing.
function growth(points) {
  return points.slice(1).map((p, i) => { const by = p[4] - points[i][4]; return [p[0], by >= 0 ? by : p[4]] })
}

const stateText = s => s === 'true' ? t('on') : s === 'false' ? t('off') : s

function nearest(a, at) {
  if (a.kind === 'state') {
    const s = at ? a.states.filter(s => Date.parse(s.time) / 1000 <= at).pop() : a.states[a.states.length - 1]
    return s && stateText(s.state)
  }
  const p = at ? a.points.findLast(p => p[0] <= at + 1) : a.points[a.points.length - 1]
  if (!p) return undefined
  const mean = number(p[2], a.channel.digits)
  return at && p[5] > 1 ? `${mean} (${number(p[1], a.channel.digits)}…${number(p[3], a.channel.digits)})` : at ? mean : number(p[4], a.channel.digits)
}

let styled
export default params => {
  // The library's style sheet, once; a link, since the policy forbids inline styles.
  if (!styled) { styled = h('link', { rel: 'stylesheet', href: new URL('uplot.css', import.meta.url).href }); document.head.append(styled) }
  return new PlotView(params)
}
