// Feeds an adapter of others, npm's iobroker.hass-mqtt, with descriptions and messages as they
// are on the broker, and prints what it makes of them. Standard input is
// {"documents": [{"topic", "payload"}], "messages": [{"document", "topic", "payload"}]};
// the answer {"devices": [{"domain", "unit", "on", "off"}], "values": [...]}.
'use strict';
const modules = process.argv[2];
// Its templates are Jinja's, and its values are no HTML.
const nunjucks = require(modules + '/nunjucks');
nunjucks.configure({ autoescape: false });
nunjucks.installJinjaCompat();
const { HassDevice } = require(modules + '/iobroker.hass-mqtt/build/lib/hassmqtt.js');
const id = (topic) => topic.replace(/\//g, '.');
process.stdin.setEncoding('utf8');
let text = '';
process.stdin.on('data', (d) => { text += d; }).on('end', () => {
  const { documents, messages } = JSON.parse(text);
  const known = documents.map((d) => new HassDevice(id(d.topic), d.payload));
  const devices = known.map((d) => {
    const out = { domain: d.ready ? d.domain : '', unit: '', on: '', off: '' };
    const state = d.iobStates.state;
    if (state) out.unit = state.common.unit || '';
    if (d.iobStates.command) {
      d.iobStateChange('x.y.command', true, (err, topic, payload) => { out.on = err || topic + ' ' + payload; });
      d.iobStateChange('x.y.command', false, (err, topic, payload) => { out.off = err || topic + ' ' + payload; });
    }
    return out;
  });
  const values = messages.map((m) => {
    let value = null;
    known[m.document].mqttStateChange(id(m.topic), m.payload, (err, state, v) => { if (!err && state === 'state') value = String(v); });
    return value;
  });
  process.stdout.write(JSON.stringify({ devices, values }));
});
