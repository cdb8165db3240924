// What a text has that another had not, line by line, for people: longest common lines, with
// a few around each change so that one sees where it is.
import { h } from './dom.js'

const around = 2
const most = 1500 // lines; beyond that the two are compared no further than from both ends

// compare returns rows [sign, line]: ' ' in both, '−' only in was, '+' only in is.
function compare(was, is) {
  const a = lines(was), b = lines(is)
  let from = 0, end = 0
  while (from < a.length && from < b.length && a[from] === b[from]) from++
  while (end < a.length - from && end < b.length - from && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const left = a.slice(from, a.length - end), right = b.slice(from, b.length - end)
  const middle = left.length > most || right.length > most ? [...left.map(l => ['−', l]), ...right.map(l => ['+', l])] : walk(left, right)
  return [...a.slice(0, from).map(l => [' ', l]), ...middle, ...a.slice(a.length - end).map(l => [' ', l])]
}

function lines(text) {
  const all = text.split('\n')
  if (all.at(-1) === '') all.pop()
  return all
}

// walk follows the longest common lines of a and b.
function walk(a, b) {
  const n = b.length + 1, common = new Uint16Array((a.length + 1) * n)
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--)
    common[i * n + j] = a[i] === b[j] ? common[(i + 1) * n + j + 1] + 1 : Math.max(common[(i + 1) * n + j], common[i * n + j + 1])
  const out = []
  let i = 0, j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push([' ', a[i]]); i++; j++ }
    else if (j >= b.length || i < a.length && common[(i + 1) * n + j] >= common[i * n + j + 1]) out.push(['−', a[i++]])
    else out.push(['+', b[j++]])
  }
  return out
}

// diff shows the changed lines with those around them; null if there are none.
export function diff(was, is) {
  const rows = compare(was, is)
  const near = rows.map((_, i) => rows.slice(Math.max(0, i - around), i + around + 1).some(r => r[0] !== ' '))
  if (!near.some(Boolean)) return null
  const out = []
  rows.forEach(([sign, line], i) => {
    if (!near[i]) { if (out.length && near[i - 1] && near.indexOf(true, i) > 0) out.push(h('span.soft', '⋮\n')); return }
    out.push(h('span' + ({ '+': '.added', '−': '.removed' }[sign] || ''), `${sign} ${line}\n`))
  })
  return h('pre.diff', { tabindex: 0 }, out)
}
