// A plot of several channels with uPlot: a mean line in its band of minimum and maximum,
// states as steps at the foot, gaps as shaded spans, two axes.
import uPlot from './uplot.js'
import { locale } from './i18n.js'
import { number } from './format.js'

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const colours = ['--s1', '--s2', '--s3', '--s4']
const day = 86400

const axisClock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' })
const axisSecond = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit', second: '2-digit' })
const axisDay = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' })
const axisMonth = new Intl.DateTimeFormat(locale, { month: 'short', year: 'numeric' })

function ticks(u, splits, axis, space, step) {
  return splits.map(s => {
    const at = new Date(s * 1000)
    if (step >= 28 * day) return axisMonth.format(at)
    if (step >= day || (at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0)) return axisDay.format(at)
    return (step < 60 ? axisSecond : axisClock).format(at)
  })
}

// table is the three columns of one answer, with a hole wherever nothing was measured for
// longer than three intervals.
function table(s) {
  const x = [], low = [], mean = [], high = []
  const widest = 3 * Math.max(s.every || 0, s.channel.every_seconds || 0, s.every ? 0 : 10)
  let before = 0
  for (const p of s.points) {
    if (before && p[0] - before > widest) { x.push(before + (s.every || 1)); low.push(null); mean.push(null); high.push(null) }
    x.push(p[0]); low.push(p[1]); mean.push(p[2]); high.push(p[3])
    before = p[0]
  }
  return [x, low, mean, high]
}

// steps is the column of a state channel: 1 and 0, a set point's numbers, or a hole.
function steps(s, from, to) {
  const x = [], y = []
  for (const c of s.states) {
    x.push(Math.max(from, Date.parse(c.time) / 1000))
    y.push(level(c.state))
  }
  if (x.length && x[x.length - 1] < to) { x.push(to); y.push(y[y.length - 1]) }
  return [x, y]
}

// level is the height of a state in a plot; null if it has none.
export function level(state) {
  if (state === 'true' || state === 'on') return 1
  if (state === 'false' || state === 'off') return 0
  return state !== '' && Number.isFinite(+state) ? +state : null
}

// isNumeric: a set point is kept as states, but drawn by its numbers.
const isNumeric = s => s.kind === 'state' && typeof s.channel.value === 'number'

// unitsOf are those that need an axis: states stand at the foot without one.
export function unitsOf(series) {
  return [...new Set(series.filter(s => s.kind !== 'state' || isNumeric(s)).map(s => s.channel.unit || ''))]
}

function spans(series, from, to) {
  const out = []
  for (const s of series) {
    const list = s.gaps || []
    let state = 'ok', begin = 0
    for (const g of [...list, null]) {
      if (g === null) { if (state !== 'ok') out.push([begin, to, state]); break }
      const at = Date.parse(g.time) / 1000
      const bad = g.state !== 'ok' && !g.state.startsWith('degraded')
      if (bad && state === 'ok') { state = g.state; begin = Math.max(at, from) } else if (bad) state = g.state
      else if (state !== 'ok') { if (at > from && at - begin > 1) out.push([begin, at, state]); state = 'ok' }
    }
  }
  return out
}

// gaps are the spans [from, to, reason] in which something was not measured.
export const gaps = spans

export class Plot {
  // series: answers of /history with their channel; on: {zoom(from, to), cursor(second)}
  constructor(el, on) {
    this.el = el
    this.on = on
    this.size = new ResizeObserver(() => this.u?.setSize(this.box()))
    this.size.observe(el)
    this.dark = matchMedia('(prefers-color-scheme: dark)')
    this.dark.onchange = () => this.last && this.draw(...this.last)
  }

  box() { return { width: Math.max(240, this.el.clientWidth), height: Math.round(Math.max(220, Math.min(420, innerHeight * 0.5))) } }

  draw(series, from, to, bars) {
    this.last = [series, from, to, bars]
    this.u?.destroy()
    const units = unitsOf(series).slice(0, 2)
    const parts = [], list = [{}], bands = []
    series.forEach((s, i) => {
      const colour = css(colours[i % colours.length])
      if (s.kind === 'state') {
        parts.push(steps(s, from, to))
        const numeric = isNumeric(s)
        list.push({ scale: numeric ? 'y' + units.indexOf(s.channel.unit || '') : 'state', stroke: colour, fill: numeric ? null : colour + '40', width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } })
        return
      }
      const scale = 'y' + units.indexOf(s.channel.unit || '')
      if (bars) {
        parts.push([s.bars.map(b => b[0]), s.bars.map(b => b[1])])
        list.push({ scale, stroke: colour, fill: colour + 'b0', width: 0, paths: uPlot.paths.bars({ size: [0.8, 60], align: 1 }), points: { show: false } })
        return
      }
      parts.push(table(s))
      const at = list.length
      const edge = { scale, stroke: 'transparent', width: 0, points: { show: false } }
      list.push(edge, { scale, stroke: colour, width: 1.6, points: { show: s.points.length < 80, size: 4 } }, { ...edge })
      if (s.every) bands.push({ series: [at + 2, at], fill: colour + '30' })
    })
    this.spans = spans(series, from, to)
    this.u = new uPlot(this.options(list, bands, units, from, to, bars), uPlot.join(parts), this.el)
  }

  options(series, bands, units, from, to, bars) {
    const ink = css('--soft'), grid = { stroke: css('--line'), width: 1 }
    const scales = { x: { time: true, min: from, max: to, range: [from, to] }, state: { range: [-0.05, 5] } }
    const axes = [{ stroke: ink, grid, ticks: grid, values: ticks, space: 70, font: '12px system-ui' }]
    units.forEach((unit, i) => {
      scales['y' + i] = bars ? { range: (u, low, high) => [0, high > 0 ? high * 1.08 : 1] } : {
        range: (u, low, high) => low === null ? [0, 1] : low === high ? [low - 1, high + 1] : [low - (high - low) * 0.08, high + (high - low) * 0.08] }
      axes.push({ scale: 'y' + i, side: i ? 1 : 3, stroke: ink, grid: i ? { show: false } : grid, ticks: grid, label: unit || undefined, labelSize: unit ? 20 : 0,
        labelFont: '600 12px system-ui', font: '12px system-ui', size: (u, texts) => 20 + 7 * Math.max(4, ...(texts || []).map(x => x.length)), values: (u, v) => v.map(n => number(n)) })
    })
    return { ...this.box(), series, bands, scales, axes, legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false, dist: 8 }, points: { size: 7 } },
      hooks: { drawClear: [u => this.shade(u)], setSelect: [u => this.select(u)], setCursor: [u => this.on.cursor(u.cursor.idx === null || u.cursor.left < 0 ? null : u.data[0][u.cursor.idx])] } }
  }

  // shade marks when nothing was measured.
  shade(u) {
    const c = u.ctx
    c.save()
    c.fillStyle = css('--bad-bg')
    for (const [a, b] of this.spans) {
      const x = Math.max(u.bbox.left, u.valToPos(a, 'x', true)), w = Math.max(2, Math.min(u.bbox.left + u.bbox.width, u.valToPos(b, 'x', true)) - x)
      c.fillRect(x, u.bbox.top, w, u.bbox.height)
    }
    c.restore()
  }

  select(u) {
    if (u.select.width < 8) return
    const a = u.posToVal(u.select.left, 'x'), b = u.posToVal(u.select.left + u.select.width, 'x')
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false)
    this.on.zoom(a, b)
  }

  // move moves the cursor by some points, for keyboards.
  move(by) {
    const u = this.u
    if (!u) return
    const last = u.data[0].length - 1
    const at = u.cursor.idx === null || u.cursor.idx === undefined ? last : Math.max(0, Math.min(last, u.cursor.idx + by))
    u.setCursor({ left: u.valToPos(u.data[0][at], 'x'), top: u.over.clientHeight / 2 })
  }

  destroy() {
    this.size.disconnect()
    this.dark.onchange = null
    this.u?.destroy()
  }
}
