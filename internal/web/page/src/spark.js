// The last hour of a channel as a small line. It is asked for when the row comes into
// view, and goes on with the values of the stream.
import { svg } from './dom.js'
import { get, channelPath, queue } from './api.js'
import { t } from './i18n.js'
import { number } from './format.js'
import { now } from './store.js'

const width = 96, height = 24, hour = 3600, slot = 60
const most = 1000 // points of a channel that changes as fast as it can
const soon = queue(3)

export class Spark {
  constructor(channel) {
    this.channel = channel
    this.points = null // [second, value], one a minute
    this.path = svg('path')
    this.title = svg('title', t('spark.none'))
    this.el = svg('svg.spark', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' }, this.title, this.path)
  }

  // show loads the hour: once, and again if values went by that nobody took.
  show() {
    const late = this.points && now() - this.seen > 2 * slot * 1000
    if (this.asked && !late) return
    this.asked = true
    this.forget = soon(() => this.load())
  }

  // drop is for a line that nobody will see any more.
  drop() {
    this.dropped = true
    this.forget?.()
  }

  async load() {
    const c = this.channel
    let a
    try {
      a = await get(channelPath(c.device, c.name) + '/history?from=1h&every=1m')
    } catch {
      this.asked = false // the next show asks again
      return
    }
    if (this.dropped) return
    this.seen = now()
    this.points = a.kind === 'state'
      ? a.states.map(s => [Date.parse(s.time) / 1000, s.state === 'true' || s.state === 'on' ? 1 : +s.state || 0])
      : a.points.map(p => [p[0], p[2]])
    this.step = a.kind === 'state'
    this.draw()
  }

  // take adds a newest value; it returns whether the line is another.
  take(value, at) {
    const v = typeof value === 'boolean' ? (value ? 1 : 0) : value
    this.seen = now()
    if (!this.points || typeof v !== 'number') return false
    const second = Math.floor(at / 1000 / slot) * slot
    const last = this.points[this.points.length - 1]
    if (this.step ? last?.[1] === v : last?.[0] === second) { if (!this.step) last[1] = v } else this.points.push([this.step ? at / 1000 : second, v])
    const begin = second - hour
    while (this.points.length > most || (this.step ? this.points[1]?.[0] <= begin : this.points[0]?.[0] < begin)) this.points.shift()
    return true
  }

  draw() {
    const end = now() / 1000, begin = end - hour
    const all = this.points.filter((p, i) => p[0] >= begin || this.step && !(this.points[i + 1]?.[0] <= begin))
    if (this.step && all.length) all.push([end, all[all.length - 1][1]])
    const values = all.map(p => p[1])
    const low = Math.min(...values), high = Math.max(...values)
    const x = s => Math.max(0, (s - begin) / hour * width)
    const y = v => high > low ? 2 + (high - v) / (high - low) * (height - 4) : height / 2
    let d = '', before = 0
    for (const [s, v] of all) {
      const gap = !this.step && s - before > 5 * slot && s - before > 3 * (this.channel.every_seconds || 0)
      if (!before || gap) d += `M${x(s).toFixed(1)} ${y(v).toFixed(1)}h.1`
      else d += (this.step ? `H${x(s).toFixed(1)}V` : `L${x(s).toFixed(1)} `) + y(v).toFixed(1)
      before = s
    }
    this.path.setAttribute('d', d)
    this.title.textContent = values.length
      ? t('spark', { low: number(low, this.channel.digits), high: number(high, this.channel.digits), unit: this.channel.unit || '' })
      : t('spark.none')
  }
}
