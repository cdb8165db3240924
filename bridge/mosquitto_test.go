package bridge

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensorgate/internal/freeport"
)

// mosquitto is a real upstream: Debian's broker on a port of its own.
type mosquitto struct {
	t      *testing.T
	port   int
	config string
	cmd    *exec.Cmd
}

// startMosquitto starts it, with further lines of configuration.
func startMosquitto(t *testing.T, more string) *mosquitto {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto"
		if _, err := os.Stat(path); err != nil {
			t.Skip("no mosquitto (Debian package mosquitto)")
		}
	}
	m := &mosquitto{t: t, port: freeport.Port(t)}
	m.config = filepath.Join(t.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\n%s\n", m.port, more)
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.cmd = exec.Command(path)
	m.start()
	t.Cleanup(m.kill)
	return m
}

func (m *mosquitto) start() {
	m.t.Helper()
	m.cmd = exec.Command(m.cmd.Path, "-c", m.config)
	if testing.Verbose() {
		m.cmd.Stderr = os.Stderr
	}
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", m.addr())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill ends it like a power cut would.
func (m *mosquitto) kill() {
	if m.cmd.Process != nil {
		m.cmd.Process.Kill()
		m.cmd.Wait()
	}
}

func (m *mosquitto) addr() string { return fmt.Sprintf("127.0.0.1:%d", m.port) }
func (m *mosquitto) url() string  { return "mqtt://" + m.addr() }

// subscribe connects an independent client and delivers what it receives.
func (m *mosquitto) subscribe(filter string, qos byte) <-chan paho.Message {
	m.t.Helper()
	got := make(chan paho.Message, 10000)
	o := paho.NewClientOptions().AddBroker("tcp://" + m.addr()).SetClientID(fmt.Sprintf("test-%d", time.Now().UnixNano())).
		SetOrderMatters(true).SetConnectRetry(true).SetConnectRetryInterval(20 * time.Millisecond).SetMaxReconnectInterval(50 * time.Millisecond)
	subscribed := make(chan struct{}, 100)
	o.SetOnConnectHandler(func(c paho.Client) {
		c.Subscribe(filter, qos, func(_ paho.Client, msg paho.Message) { got <- msg }).Wait()
		subscribed <- struct{}{}
	})
	c := paho.NewClient(o)
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		m.t.Fatal(tok.Error())
	}
	<-subscribed
	m.t.Cleanup(func() { c.Disconnect(0) })
	return got
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, ok)
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond) // another process: nothing to wait on
	}
}

func receive(t *testing.T, ch <-chan paho.Message, what string) paho.Message {
	t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(10 * time.Second):
		t.Fatalf("not within 10 s: %s", what)
		return nil
	}
}

func TestMosquittoUpAndDown(t *testing.T) {
	for _, protocol := range []string{"3.1.1", "5"} {
		for _, scheme := range []string{"mqtt", "ws"} {
			t.Run(protocol+" "+scheme, func(t *testing.T) { upAndDown(t, protocol, scheme) })
		}
	}
}

func upAndDown(t *testing.T, protocol, scheme string) {
	port := freeport.Port(t)
	m := startMosquitto(t, fmt.Sprintf("listener %d 127.0.0.1\nprotocol websockets", port))
	url := m.url()
	if scheme == "ws" {
		url = fmt.Sprintf("ws://127.0.0.1:%d/", port)
	}
	g := newGateway(t, Options{
		Name: "cloud", Node: "barn", ClientID: "barn-cloud", Prefix: "sites/42/", URLs: []string{url}, Protocol: protocol,
		Status: Status{Topic: "barn/status", Online: "online", Offline: "offline"},
		Rules: []Rule{
			{Out: true, Local: "barn/#", Remote: "sites/42/barn/#", QoS: 1, Retain: true},
			{Out: true, Local: "barn/grid/+", Remote: "sites/42/energy/{1}/barn", QoS: 2, Retain: true},
			{In: true, Local: "barn/+/+/set", Remote: "sites/42/barn/+/+/set", QoS: 1},
		},
	})
	got := m.subscribe("sites/#", 1)
	stop := g.run()

	if msg := receive(t, got, "online"); msg.Topic() != "sites/42/barn/status" || string(msg.Payload()) != "online" {
		t.Fatalf("got %s %s, want online", msg.Topic(), msg.Payload())
	}
	g.publish("barn/grid/power", "230", 1, false)
	for _, want := range []string{"sites/42/barn/grid/power", "sites/42/energy/power/barn"} {
		if msg := receive(t, got, want); msg.Topic() != want || string(msg.Payload()) != "230" {
			t.Fatalf("got %s %s, want %s", msg.Topic(), msg.Payload(), want)
		}
	}
	exec.Command("mosquitto_pub", "-p", fmt.Sprint(m.port), "-q", "1", "-t", "sites/42/barn/pump/state/set", "-m", "on").Run()
	if msg := <-g.local; msg.Topic != "barn/pump/state/set" || string(msg.Payload) != "on" || msg.Origin != "bridge/cloud" {
		t.Fatalf("the command came down as %+v", msg)
	}
	if msg := receive(t, got, "the command itself"); msg.Topic() != "sites/42/barn/pump/state/set" {
		t.Fatalf("got %s", msg.Topic())
	}
	stop()
	if msg := receive(t, got, "offline"); string(msg.Payload()) != "offline" {
		t.Fatalf("got %s %s, want offline", msg.Topic(), msg.Payload())
	}
	if s := g.bridge.Status(); s.Waiting != 0 || s.Sent != 2 || s.Received != 1 {
		t.Errorf("at the end: %+v", s)
	}
}

func TestMosquittoAwayThenBack(t *testing.T) {
	m := startMosquitto(t, "")
	g := newGateway(t, Options{
		Name: "cloud", ClientID: "barn-cloud", URLs: []string{m.url()},
		Rules: []Rule{{Out: true, Local: "#", Remote: "#", QoS: 1}},
	})
	got := m.subscribe("#", 1)
	stop := g.run()
	defer stop()
	g.publish("a", "0", 1, false)
	receive(t, got, "the first")
	m.kill()
	for i := 1; i <= 200; i++ {
		g.publish("a", fmt.Sprint(i), 1, false)
	}
	eventually(t, "the loss is noticed", func() bool { return !g.bridge.Status().Connected })
	m.start()
	got = m.subscribe("#", 1)
	for i := 1; i <= 200; i++ {
		if msg := receive(t, got, "the backlog"); string(msg.Payload()) != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d: out of order or lost", msg.Payload(), i)
		}
	}
	eventually(t, "the spool is empty", func() bool { return g.bridge.Status().Waiting == 0 })
}

func TestMosquittoWill(t *testing.T) {
	m := startMosquitto(t, "")
	g := newGateway(t, Options{
		Name: "cloud", ClientID: "barn-cloud", URLs: []string{m.url()},
		Status: Status{Topic: "status", Online: "online", Offline: "offline"},
	})
	got := m.subscribe("#", 1)
	stop := g.run()
	defer stop()
	for _, want := range []string{"online", "offline", "online"} {
		if msg := receive(t, got, want); string(msg.Payload()) != want {
			t.Fatalf("got %s, want %s", msg.Payload(), want)
		}
		g.bridge.SetOffline(want == "online") // the second online ends the test
	}
}
