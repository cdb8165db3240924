package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho5 "github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"

	"sensorgate/internal/mqtt"
)

// program finds a client program that a test needs, or skips.
func program(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s (%s)", name, from)
	}
	return path
}

func TestMosquittoClients(t *testing.T) {
	pub := program(t, "mosquitto_pub", "Debian package mosquitto-clients")
	sub := program(t, "mosquitto_sub", "Debian package mosquitto-clients")
	for _, version := range []string{"31", "311", "5"} {
		for _, qos := range []string{"0", "1", "2"} {
			b := start(t)
			_, port, _ := net.SplitHostPort(b.Addrs()[0].String())
			if out, err := exec.Command(pub, "-p", port, "-V", version, "-q", qos, "-r", "-t", "t/1", "-m", "kept").CombinedOutput(); err != nil {
				t.Fatalf("mosquitto_pub: %v %s", err, out)
			}
			out, err := exec.Command(sub, "-p", port, "-V", version, "-q", qos, "-t", "t/#", "-C", "1", "-W", "5", "-F", "%t %q %r %p").CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != "t/1 "+qos+" 1 kept" {
				t.Errorf("mosquitto_sub -V %s -q %s: %q, %v", version, qos, got, err)
			}
		}
	}
}

func TestMosquittoRequestResponse(t *testing.T) {
	rr := program(t, "mosquitto_rr", "Debian package mosquitto-clients")
	b := start(t)
	_, port, _ := net.SplitHostPort(b.Addrs()[0].String())
	server := connect(t, b, mqtt.Level311, "server")
	server.subscribe("ask", 1)
	cmd := exec.Command(rr, "-p", port, "-V", "311", "-t", "ask", "-e", "answer", "-m", "?", "-W", "5", "-q", "1")
	done := make(chan string, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if err != nil {
			out = append(out, err.Error()...)
		}
		done <- strings.TrimSpace(string(out))
	}()
	server.want("ask", "?")
	server.publish("answer", "42", 1, 9)
	if got := <-done; got != "42" {
		t.Errorf("mosquitto_rr got %q, want 42", got)
	}
}

// python finds an interpreter with paho-mqtt.
func python(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(path, "-c", "import paho.mqtt.client").Run() == nil {
			return path
		}
	}
	t.Skip("no Python with paho-mqtt (Debian package python3-paho-mqtt)")
	return ""
}

const pahoScript = `
import sys, json, paho.mqtt.client as mqtt
port, version = int(sys.argv[1]), int(sys.argv[2])
got = []
def on_connect(client, *rest):
    client.subscribe("test", 1)
def on_subscribe(client, *rest):
    for q in (0, 1, 2):
        client.publish("test", json.dumps({"qos": q, "text": "grüße"}), q)
def on_message(client, userdata, message):
    got.append(json.loads(message.payload))
    if len(got) == 3:
        print(sorted(m["qos"] for m in got), got[0]["text"])
        client.disconnect()
client = mqtt.Client("paho-py", transport="tcp", protocol=version)
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", port, 60)
client.loop_forever()
`

func TestPythonPaho(t *testing.T) {
	py := python(t)
	b := start(t)
	for _, version := range []string{"3", "4", "5"} {
		out, err := exec.Command(py, "-c", pahoScript, port(b, 0), version).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "[0, 1, 2] grüße" {
			t.Errorf("level %s: %q, %v", version, got, err)
		}
	}
}

func port(b *Broker, i int) string {
	_, p, _ := net.SplitHostPort(b.Addrs()[i].String())
	return p
}

const nodeScript = `
const mqtt = require("mqtt")
const [url, version] = process.argv.slice(1)
const client = mqtt.connect(url, { protocolVersion: Number(version), clientId: "npm" + version, reconnectPeriod: 0 })
const got = []
client.on("error", e => { console.log("error", e.message); process.exit(1) })
client.on("connect", () => client.subscribe("js/#", { qos: 2 }, () => {
  for (const qos of [0, 1, 2]) client.publish("js/" + qos, "hello", { qos })
}))
client.on("message", (topic, payload, packet) => {
  got.push(topic + payload + packet.qos)
  if (got.length == 3) { console.log(got.sort().join(" ")); client.end() }
})
setTimeout(() => { console.log("timeout", got); process.exit(1) }, 8000).unref()
`

// npmMQTT returns a directory with npm's mqtt package, which is fetched once per machine.
func npmMQTT(t *testing.T) string {
	t.Helper()
	npm := program(t, "npm", "Debian package npm")
	program(t, "node", "Debian package nodejs")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no cache directory for npm's mqtt:", err)
	}
	dir := filepath.Join(cache, "sensorgate-test-npm")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "mqtt", "package.json")); err == nil {
		return dir
	}
	if testing.Short() {
		t.Skip("npm's mqtt is not there, and it is not fetched in a short run")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--prefix", dir, "mqtt@5.10.1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("npm's mqtt cannot be fetched: %v %s", err, out)
	}
	return dir
}

func TestNpmMQTT(t *testing.T) {
	dir := npmMQTT(t)
	b := start(t, listening(Listener{Network: "tcp", Address: "127.0.0.1:0"}, Listener{Network: "ws", Address: "127.0.0.1:0"}))
	for _, url := range []string{"mqtt://127.0.0.1:" + port(b, 0), "ws://127.0.0.1:" + port(b, 1) + "/mqtt"} {
		for _, version := range []string{"4", "5"} {
			cmd := exec.Command("node", "-e", nodeScript, url, version)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != "js/0hello0 js/1hello1 js/2hello2" {
				t.Errorf("%s level %s: %q, %v", url, version, got, err)
			}
		}
	}
}

func TestGoPaho311(t *testing.T) {
	b := start(t, listening(Listener{Network: "tcp", Address: "127.0.0.1:0"}, Listener{Network: "ws", Address: "127.0.0.1:0"}))
	for _, url := range []string{"tcp://127.0.0.1:" + port(b, 0), "ws://127.0.0.1:" + port(b, 1) + "/mqtt"} {
		// A session of its own: paho may disconnect before its PUBREC of the last message has left.
		o := paho3.NewClientOptions().AddBroker(url).SetClientID("go" + url[:3]).SetCleanSession(false).SetProtocolVersion(4)
		c := paho3.NewClient(o)
		wait := func(tok paho3.Token) {
			t.Helper()
			if !tok.WaitTimeout(5*time.Second) || tok.Error() != nil {
				t.Fatal(url, tok.Error())
			}
		}
		wait(c.Connect())
		got := make(chan string, 3)
		wait(c.Subscribe("go/#", 2, func(_ paho3.Client, m paho3.Message) { got <- fmt.Sprintf("%s%d", m.Topic(), m.Qos()) }))
		for qos := byte(0); qos <= 2; qos++ {
			wait(c.Publish(fmt.Sprint("go/", qos), qos, false, "x"))
			if m := <-got; m != fmt.Sprintf("go/%d%d", qos, qos) {
				t.Errorf("%s: got %q", url, m)
			}
		}
		c.Disconnect(100)
	}
}

func TestGoPaho5(t *testing.T) {
	b := start(t)
	nc, err := net.Dial("tcp", b.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *paho5.Publish, 3)
	c := paho5.NewClient(paho5.ClientConfig{
		Conn: nc,
		OnPublishReceived: []func(paho5.PublishReceived) (bool, error){func(p paho5.PublishReceived) (bool, error) {
			got <- p.Packet
			return true, nil
		}},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Connect(ctx, &paho5.Connect{ClientID: "go5", KeepAlive: 30, CleanStart: true}); err != nil {
		t.Fatal(err)
	}
	id := 7
	if _, err := c.Subscribe(ctx, &paho5.Subscribe{
		Properties:    &paho5.SubscribeProperties{SubscriptionIdentifier: &id},
		Subscriptions: []paho5.SubscribeOptions{{Topic: "go/#", QoS: 2}},
	}); err != nil {
		t.Fatal(err)
	}
	for qos := byte(0); qos <= 2; qos++ {
		p := &paho5.Publish{Topic: "go/5", QoS: qos, Payload: []byte("x"), Properties: &paho5.PublishProperties{ResponseTopic: "answer", CorrelationData: []byte{1}}}
		if _, err := c.Publish(ctx, p); err != nil {
			t.Fatal(err)
		}
		m := <-got
		if m.QoS != qos || m.Properties.ResponseTopic != "answer" || *m.Properties.SubscriptionIdentifier != 7 {
			t.Errorf("QoS %d: got %v", qos, m)
		}
	}
	if err := c.Disconnect(&paho5.Disconnect{}); err != nil {
		t.Error(err)
	}
}
