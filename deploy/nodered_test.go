package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// redNode is one node of the example flow.
type redNode struct {
	ID, Type, Z, Topic, Broker, QoS, Datatype, Retain, Func string
	Wires                                                   [][]string
}

// redName is the declaration of a name that the function node has already.
var redName = regexp.MustCompile(`(const|let|var)[^=]*\b(node|msg|context|flow|global|env|RED|send|done)\b[^=]*=`)

// The example flow is one that Node-RED's own nodes can run: known types, wires that lead
// somewhere, topics as docs/topics.md has them, and no retained command, which the gateway
// would refuse.
func TestNodeREDFlow(t *testing.T) {
	text, err := os.ReadFile("nodered/sensorgate.json")
	if err != nil {
		t.Fatal(err)
	}
	var nodes []redNode
	if err := json.Unmarshal(text, &nodes); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{} // to the type
	for _, n := range nodes {
		if ids[n.ID] != "" {
			t.Errorf("the id %s is there twice", n.ID)
		}
		ids[n.ID] = n.Type
	}
	core := " tab mqtt-broker mqtt in mqtt out function switch debug " // of a Node-RED without additions
	topics := map[string]string{
		"barn/+/+": "mqtt in", "barn/+/status": "mqtt in", "barn/fan/state/set/result": "mqtt in", "barn/fan/state/set": "mqtt out",
	}
	for _, n := range nodes {
		if !strings.Contains(core, " "+n.Type+" ") {
			t.Errorf("%s: Node-RED has no node %q of its own", n.ID, n.Type)
		}
		for _, port := range n.Wires {
			for _, to := range port {
				if ids[to] == "" || ids[to] == "tab" {
					t.Errorf("%s: its wire leads to %q", n.ID, to)
				}
			}
		}
		if redName.MatchString(n.Func) {
			t.Errorf("%s: its function declares a name that Node-RED gives it: %s", n.ID, redName.FindString(n.Func))
		}
		if strings.HasPrefix(n.Type, "mqtt ") {
			if topics[n.Topic] != n.Type {
				t.Errorf("%s: the topic %q of a node %q is not one that is expected", n.ID, n.Topic, n.Type)
			}
			delete(topics, n.Topic)
			if ids[n.Broker] != "mqtt-broker" || n.QoS != "1" {
				t.Errorf("%s: broker %q, QoS %q", n.ID, n.Broker, n.QoS)
			}
		}
		if n.Type == "mqtt out" && n.Retain != "false" {
			t.Errorf("%s: a retained command is refused by the gateway", n.ID)
		}
	}
	for topic := range topics {
		t.Errorf("no node has the topic %s", topic)
	}
}

// The flow in a real Node-RED with a real gateway: a reading above 30 °C switches the fan
// on, and its result comes back. NODE_RED names the folder of the npm package.
func TestNodeREDRunsTheFlow(t *testing.T) {
	red := os.Getenv("NODE_RED")
	if red == "" {
		t.Skip("needs NODE_RED, the folder into which npm installed node-red")
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	config := fmt.Sprintf(`node = "barn"
[broker]
listen = ["tcp://127.0.0.1:%d"]
[device.attic]
driver = "sim"
every = "1s"
[device.attic.channels]
temperature = { shape = "sine", from = 31, to = 33, unit = "°C" }
[device.fan]
driver = "sim"
[device.fan.channels]
state = { shape = "output" }
`, port)
	flow, err := os.ReadFile("nodered/sensorgate.json")
	if err != nil {
		t.Fatal(err)
	}
	flow = []byte(strings.Replace(string(flow), `"port": "1883"`, fmt.Sprintf(`"port": "%d"`, port), 1))
	program := program(t)
	for name, text := range map[string]string{
		"sensorgate.toml": config, "flows.json": string(flow),
		"settings.js": "module.exports = { uiPort: 0, httpAdminRoot: false, httpNodeRoot: false, flowFile: 'flows.json', logging: { console: { level: 'info' } } }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	gateway := exec.CommandContext(ctx, program, "run", "--config", filepath.Join(dir, "sensorgate.toml"))
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); gateway.Wait() }()
	node := exec.CommandContext(ctx, "node", filepath.Join(red, "node_modules/node-red/red.js"), "--userDir", dir, "--settings", filepath.Join(dir, "settings.js"))
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	node.Stderr = node.Stdout
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); node.Wait() }()
	var log strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(log.String(), "result: 'done'") {
		n, err := out.Read(b)
		log.Write(b[:n])
		if err != nil {
			break
		}
	}
	for _, want := range []string{"result: 'done'", "[debug:readings]", "[debug:states]"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("Node-RED never says %s:\n%s", want, log.String())
		}
	}
}
