// A controller made of somebody else's library (npm node-homie): prints what it knows of
// all Homie devices of a broker, one JSON line per change, and sends what it reads:
//   device/node/property value
// Usage: node homie.js PACKAGE_FOLDER URL
const path = require("path");
const readline = require("readline");

const [folder, url] = process.argv.slice(2);
const print = console.log;
const complaints = [];
console.log = console.error = console.warn = (...words) => {
  const text = words.join(" ");
  if (/ (error|warn) /i.test(text) || /formatting errors/.test(text)) complaints.push(text.replace(/^\S+ /, ""));
};

const homie = require(folder);
const { validateHomieValue } = require(path.join(folder, "lib/cjs/util"));

const manager = new homie.HomieDeviceManager();
const discovery = new homie.DeviceDiscovery({ url, topicRoot: "homie" });
const logs = [];
discovery.events$.subscribe((event) => {
  if (event.type === "add" && !manager.hasDevice(event.deviceId)) {
    const device = manager.add(event.makeDevice());
    if (device.logEvent$) device.logEvent$.subscribe((l) => logs.push(`${l.deviceId} ${l.level} ${l.message}`));
    device.onInit();
  } else if (event.type === "remove") {
    const device = manager.removeDevice(event.deviceId);
    if (device) device.onDestroy();
  }
});

function property(p) {
  const { name, datatype, format, unit, settable, retained } = p.attributes;
  const value = p.value;
  const valid = value === undefined || (validateHomieValue ? validateHomieValue(value, datatype, format) : p.validateValue(value));
  return { name, datatype, format, unit, settable, retained, value, target: p.target, valid };
}

function everything() {
  const out = {};
  for (const d of Object.values(manager.devices)) {
    const nodes = {};
    for (const n of Object.values(d.nodes)) {
      nodes[n.id] = {};
      for (const p of Object.values(n.properties)) nodes[n.id][p.id] = property(p);
    }
    // A child whose root is lost is lost, too.
    const state = d.rootState === "lost" ? "lost" : d.attributes.state;
    out[d.id] = { name: d.attributes.name, homie: d.attributes.homie, state, parent: d.attributes.parent, nodes, alerts: Object.fromEntries(d.alerts || []) };
  }
  return { devices: out, complaints, logs };
}

let last = "";
setInterval(() => {
  const now = JSON.stringify(everything());
  if (now !== last) print((last = now));
}, 50);

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const at = line.indexOf(" ");
  const p = manager.getProperty(line.slice(0, at));
  if (p) p.setCommand$(line.slice(at + 1)).subscribe();
});
discovery.onInit();
