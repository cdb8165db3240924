// What the page asks of the gateway. Every address is relative to this module's own, so
// that the page works below any path of a proxy.

export const root = new URL('../../', import.meta.url)
const api = new URL('api/v1/', root)

// Problem is an answer that says why not: title, detail and what to try, as the API has it.
export class Problem extends Error {
  constructor(status, p) {
    super(p.title || `HTTP ${status}`)
    this.status = status
    this.title = this.message
    this.detail = p.detail || ''
    this.try = p.try || ''
    this.problems = p.problems || []
  }
}

// Gone is thrown when the gateway does not answer at all.
export class Gone extends Error {}

// onExpired is called when a request is refused because nobody is logged in.
let onExpired = () => {}
export function whenExpired(f) { onExpired = f }

// send asks and reads the whole answer within a time. A timer of its own is put away with
// the answer; one of AbortSignal.timeout would hold all that belongs to it until it rings.
async function send(path, options = {}, wait = 30000) {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), wait)
  let r, body
  try {
    r = await fetch(new URL(path, api), { ...options, signal: stop.signal })
    body = await r.json().catch(e => { if (r.ok) throw e }) // a proxy answered, not the gateway
  } catch (e) {
    throw new Gone(String(e.message))
  } finally {
    clearTimeout(timer)
  }
  if (r.ok) return body
  const p = body || {}
  if (!p.title && r.status >= 502 && r.status <= 504) throw new Gone(`HTTP ${r.status}`)
  if (r.status === 401 && path !== 'login') onExpired()
  throw new Problem(r.status, p)
}

export function get(path) { return send(path) }

export function post(path, body, method = 'POST', headers = {}, wait) {
  const options = { method, headers }
  if (body !== undefined) {
    options.headers = { ...headers, 'Content-Type': 'application/json' }
    options.body = JSON.stringify(body)
  }
  return send(path, options, wait)
}

export function channelPath(device, channel) {
  return `devices/${encodeURIComponent(device)}/channels/${encodeURIComponent(channel)}`
}

// queue runs tasks, a few at a time, the newest first: what is on the screen now matters
// more than what was scrolled past. What it returns takes a task back that has not begun.
export function queue(width) {
  const waiting = []
  let running = 0
  const next = () => {
    if (running >= width || !waiting.length) return
    running++
    waiting.pop()().catch(() => {}).finally(() => { running--; next() })
  }
  return task => {
    waiting.push(task)
    next()
    return () => { const at = waiting.indexOf(task); if (at >= 0) waiting.splice(at, 1) }
  }
}
