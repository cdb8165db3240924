// An editor with a TOML extension, without its window: opens a file that has a fault in
// taplo's language server, and prints what is marked, what a key is explained with, and what
// is offered at a place.
//
//   node session.js FOLDER-WITH-node_modules FILE hover:LINE:COLUMN ... complete:LINE:COLUMN ...
//
// Lines and columns count from 0.
'use strict'
const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')
const [tools, file, ...places] = process.argv.slice(2)
globalThis.fetch = () => Promise.reject(new Error('no network here')) // for a catalogue of other people's schemas
const { TaploLsp } = createRequire(path.join(tools, 'x.js'))('@taplo/lsp')

// What the language server asks of the machine: files only, no network.
const machine = {
  now: () => new Date(), envVar: () => '', envVars: () => [], stdErrAtty: () => false, stdin: process.stdin,
  stdout: process.stderr, stderr: process.stderr, glob: () => [], isAbsolute: (p) => path.isAbsolute(p), cwd: () => path.dirname(file),
  readFile: (p) => fs.promises.readFile(p).then((b) => new Uint8Array(b)), writeFile: () => Promise.resolve(),
  urlToFilePath: (u) => decodeURIComponent(u.slice('file://'.length)), findConfigFile: () => undefined,
  fetch: { Headers, Request, Response, fetch: globalThis.fetch },
}
const waiting = new Map()
const result = { marks: null, hovers: [], offers: [] }
let server, next = 0, marked
const marks = new Promise((resolve) => { marked = resolve })
const ask = (method, params) => new Promise((resolve) => {
  waiting.set(++next, resolve)
  server.send({ jsonrpc: '2.0', id: next, method, params })
})

function onMessage (m) {
  if (m.method && m.id !== undefined) { // asked back: settings as they come
    server.send({ jsonrpc: '2.0', id: m.id, result: m.method === 'workspace/configuration' ? [{ schema: { enabled: true, catalogs: [] } }] : null })
  } else if (m.id !== undefined) {
    waiting.get(m.id)?.(m.result)
  } else if (m.method === 'textDocument/publishDiagnostics') {
    if (m.params.diagnostics.length > 0) marked(m.params.diagnostics) // before the schema is read there are none
  }
}

async function main () {
  server = await TaploLsp.initialize(machine, { onMessage })
  const folder = 'file://' + path.dirname(file)
  await ask('initialize', {
    processId: null, rootUri: folder, workspaceFolders: [{ uri: folder, name: 'here' }], capabilities: { workspace: { workspaceFolders: true, configuration: true } }, initializationOptions: {},
  })
  server.send({ jsonrpc: '2.0', method: 'initialized', params: {} })
  const uri = 'file://' + file
  const text = fs.readFileSync(file, 'utf8')
  server.send({ jsonrpc: '2.0', method: 'textDocument/didOpen', params: { textDocument: { uri, languageId: 'toml', version: 1, text } } })
  result.marks = (await marks).map((d) => ({ line: d.range.start.line, text: d.message }))
  for (const place of places) {
    const [kind, line, character] = place.split(':')
    const at = { textDocument: { uri }, position: { line: Number(line), character: Number(character) } }
    if (kind === 'hover') {
      result.hovers.push((await ask('textDocument/hover', at))?.contents?.value ?? '')
    } else {
      const offers = (await ask('textDocument/completion', at)) ?? []
      result.offers.push((offers.items ?? offers).map((o) => o.label))
    }
  }
  console.log(JSON.stringify(result))
  process.exit(0)
}

main().catch((err) => { console.error(err); process.exit(1) })
