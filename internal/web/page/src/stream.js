// The stream of events. Browsers open six connections to one host at most, so all pages
// of one browser share one stream, in a SharedWorker; where there is none, each page has
// its own. Nobody looks, nothing flows: a minute after the last page was hidden it closes.

const quiet = 20000 // ms without any event until the gateway is asked whether it is there
const hiddenFor = 60000

class Stream {
  constructor(spread) {
    this.spread = spread // gets {type, data}
    this.es = null
    this.pause = 1000
    this.url = new URL('../../api/v1/events', import.meta.url)
    setInterval(() => this.look(), 5000)
  }

  open() {
    if (this.es || this.again) return
    const es = this.es = new EventSource(this.url)
    es.onopen = () => {
      this.pause = 1000
      this.heard = Date.now()
      this.state = 'open'
      this.spread({ type: 'open' })
    }
    es.onerror = () => this.lost()
    for (const type of ['values', 'state', 'log', 'config', 'reset'])
      es.addEventListener(type, e => {
        this.heard = Date.now()
        this.spread({ type, data: e.data })
      })
  }

  lost() {
    this.close()
    this.state = 'lost'
    this.spread({ type: 'lost' })
    this.again = setTimeout(() => { this.again = 0; this.open() }, this.pause)
    this.pause = Math.min(this.pause * 1.5, 5000)
  }

  close() {
    this.es?.close()
    this.es = null
    clearTimeout(this.again)
    this.again = 0
  }

  restart() { this.close(); this.open() }

  // A connection that a Wi-Fi swallowed looks open for a quarter of an hour.
  async look() {
    if (!this.es || this.es.readyState !== 1 || Date.now() - this.heard < quiet) return
    const es = this.es, stop = new AbortController(), timer = setTimeout(() => stop.abort(), 6000)
    try {
      const r = await fetch(new URL('me', this.url), { signal: stop.signal })
      if (!r.ok) throw r
      await r.text()
      this.heard = Date.now()
    } catch {
      if (this.es === es) this.lost()
    }
    clearTimeout(timer)
  }
}

// Viewers counts who looks.
class Viewers {
  constructor() {
    this.ports = new Map() // to {seen, shown}
    this.stream = new Stream(m => { for (const p of this.ports.keys()) p.postMessage(m) })
    setInterval(() => this.count(), 10000)
  }

  join(port) {
    this.ports.set(port, { seen: Date.now(), shown: true })
    port.onmessage = e => this.hear(port, e.data)
    this.stream.open()
    if (this.stream.state) port.postMessage({ type: this.stream.state })
  }

  hear(port, what) {
    if (what === 'bye') return this.ports.delete(port)
    const p = this.ports.get(port) || {}
    this.ports.set(port, p)
    p.seen = Date.now()
    if (what === 'show' || what === 'hide') p.shown = what === 'show'
    if (what === 'restart') this.stream.restart()
    if (p.shown) { this.idle = 0; this.stream.open() }
  }

  count() {
    const now = Date.now()
    for (const [port, p] of this.ports) if (now - p.seen > 180000) this.ports.delete(port)
    if ([...this.ports.values()].some(p => p.shown)) { this.idle = 0; return }
    this.idle ||= now
    if (now - this.idle > hiddenFor) this.stream.close()
  }
}

if (typeof SharedWorkerGlobalScope !== 'undefined' && self instanceof SharedWorkerGlobalScope) {
  const viewers = new Viewers()
  self.onconnect = e => viewers.join(e.ports[0])
}

// listen calls f with every event; it returns a function that starts the stream anew,
// as another user.
export function listen(f) {
  let tell = alone
  const stream = { direct: null }
  function alone(what) {
    stream.direct ||= new Stream(f)
    if (what === 'bye') return
    if (what === 'hide') { stream.hidden ||= setTimeout(() => stream.direct.close(), hiddenFor); return }
    clearTimeout(stream.hidden)
    stream.hidden = 0
    if (what === 'restart') stream.direct.restart()
    else stream.direct.open()
  }
  try {
    const worker = new SharedWorker(new URL('stream.js', import.meta.url), { type: 'module', name: 'sensorgate' })
    worker.port.onmessage = e => f(e.data)
    worker.onerror = () => { tell = alone; alone('show') }
    tell = what => worker.port.postMessage(what)
  } catch { /* no SharedWorker */ }
  const shown = () => tell(document.hidden ? 'hide' : 'show')
  document.addEventListener('visibilitychange', shown)
  addEventListener('pagehide', () => tell('bye'))
  addEventListener('pageshow', shown)
  setInterval(shown, 20000) // a worker forgets who says nothing
  shown()
  return () => tell('restart')
}
