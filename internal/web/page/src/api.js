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

async function send(path, options = {}, wait = 30000) {
  let r
  try {
    r = await fetch(new URL(path, api), { ...options, signal: options.signal || AbortSignal.timeout(wait) })
  } catch (e) {
    if (options.signal?.aborted) throw e
    throw new Gone(String(e.message))
  }
  if (r.ok) return r
  let p = {}
  try { p = await r.json() } catch { /* a proxy answered, not the gateway */ }
  if (!p.title && r.status >= 502 && r.status <= 504) throw new Gone(`HTTP ${r.status}`)
  if (r.status === 401 && path !== 'login') onExpired()
  throw new Problem(r.status, p)
}

export async function get(path, options) { return (await send(path, options)).json() }

export async function post(path, body, method = 'POST', headers = {}) {
  const options = { method, headers }
  if (body !== undefined) {
    options.headers = { ...headers, 'Content-Type': 'application/json' }
    options.body = JSON.stringify(body)
  }
  return (await send(path, options)).json()
}

export function channelPath(device, channel) {
  return `devices/${encodeURIComponent(device)}/channels/${encodeURIComponent(channel)}`
}

// routes are the paths that this gateway has: an older one lacks some, and the page says so.
let known
export async function has(path) {
  known ||= get('openapi.json').then(d => d.paths, () => ({}))
  return ('/api/v1/' + path) in (await known)
}

// queue runs tasks, a few at a time, the newest first: what is on the screen now matters
// more than what was scrolled past.
export function queue(width) {
  const waiting = []
  let running = 0
  const next = () => {
    if (running >= width || !waiting.length) return
    running++
    waiting.pop()().catch(() => {}).finally(() => { running--; next() })
  }
  return task => { waiting.push(task); next() }
}
