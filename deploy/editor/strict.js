// Compiles a schema with ajv in its strict mode and checks files that were made JSON.
//
//   node strict.js FOLDER-WITH-node_modules SCHEMA < LINES
//
// Each line of the input is { "name": …, "value": … }; printed is a line for each fault.
'use strict'
const fs = require('fs')
const path = require('path')
const { createRequire } = require('module')
const [tools, schema] = process.argv.slice(2)
const Ajv = createRequire(path.join(tools, 'x.js'))('ajv')

const check = new Ajv({ strict: true, allErrors: true }).compile(JSON.parse(fs.readFileSync(schema, 'utf8')))
for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const { name, value } = JSON.parse(line)
  if (check(value)) continue
  for (const e of check.errors) {
    // That a choice failed says nothing beside why it failed.
    if (e.keyword !== 'if') console.log(`${name}: ${e.instancePath}: ${e.message}`)
  }
}
