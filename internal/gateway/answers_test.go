package gateway

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sensorgate/broker/passwd"
	"sensorgate/internal/mqtt"
)

// asker is a client of MQTT 5 that sends commands with a response topic.
type asker struct {
	t   *testing.T
	nc  net.Conn
	buf []byte
	id  uint16
}

func dialAsker(t *testing.T, s *started, user, password string) *asker {
	t.Helper()
	nc, err := net.Dial("tcp", s.broker.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	a := &asker{t: t, nc: nc}
	a.write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, ClientID: user, CleanStart: true, RequestProblem: true,
		Username: user, HasUsername: true, Password: []byte(password), HasPassword: true}))
	if ack, err := mqtt.ParseConnack(a.frame(mqtt.CONNACK), mqtt.Level5); err != nil || ack.Reason != mqtt.Success {
		t.Fatalf("CONNACK: %v, %v", ack.Reason, err)
	}
	return a
}

func (a *asker) write(b []byte) {
	a.t.Helper()
	if _, err := a.nc.Write(b); err != nil {
		a.t.Fatal(err)
	}
}

func (a *asker) frame(want mqtt.Type) mqtt.Frame {
	a.t.Helper()
	for {
		f, n, err := mqtt.NextFrame(a.buf, mqtt.MaxRemaining)
		if err != nil {
			a.t.Fatal(err)
		}
		if f.Raw != nil {
			if a.buf = a.buf[n:]; f.Type != want {
				a.t.Fatalf("got %v, want %v", f.Type, want)
			}
			return f
		}
		p := make([]byte, 4096)
		m, err := a.nc.Read(p)
		if a.buf = append(a.buf, p[:m]...); err != nil {
			a.t.Fatal(err)
		}
	}
}

// asked is the correlation data of every command of an asker: what carries it is an answer
// (MQTT 5 section 4.10) and nothing that the gateway publishes by itself.
var asked = []byte("asked")

// ask publishes a command and waits until the broker has it.
func (a *asker) ask(topic, response string) {
	a.t.Helper()
	a.id++
	props := mqtt.AppendPublishProperties(nil, &mqtt.PublishProperties{ResponseTopic: response, CorrelationData: asked}, 0)
	a.write(mqtt.AppendPublish(nil, mqtt.Level5, mqtt.PublishFlags(1, false, false), topic, a.id, props, []byte("on")))
	a.frame(mqtt.PUBACK)
}

// forbidden are topics on which nobody may have the gateway publish for him.
var forbidden = []string{
	"barn/gateway/state", "barn/gateway/config/error", "barn/status", "barn/pump/status", "barn/pump/state", "barn/fan/state/set/result",
	"homeassistant/switch/barn/config", "secret/x", "other/pump/state/set/result", "op/elsewhere", "$SYS/broker/uptime",
}

// heard notes which topics answers were published on.
type heard struct {
	mu     sync.Mutex
	topics []string
	more   chan struct{}
}

func (h *heard) take(m *mqtt.Message) {
	if m.Properties == nil || m.Properties.ResponseTopic != "" || !bytes.Equal(m.Properties.CorrelationData, asked) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics = append(h.topics, m.Topic)
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// await waits until a topic was heard n times.
func (h *heard) await(t *testing.T, topic string, n int) {
	t.Helper()
	for {
		h.mu.Lock()
		have := 0
		for _, x := range h.topics {
			if x == topic {
				have++
			}
		}
		h.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-h.more:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d messages on %s, want %d", have, topic, n)
		}
	}
}

const pumpAndFan = "[device.pump]\ndriver = \"sim\"\nchannels.state = { shape = \"output\" }\n[device.fan]\ndriver = \"sim\"\nchannels.state = { shape = \"output\" }\n" +
	"[bridge.cloud]\nurls = [\"mqtt://127.0.0.1:1\"]\nspool = { memory = \"1MiB\" }\nrules = [ { dir = \"out\", local = \"up/#\" }, { dir = \"in\", local = \"barn/+/+/set\" }, { dir = \"in\", local = \"up/in/#\" } ]\n"

// An answer goes only where its asker may publish itself, and never where the gateway
// publishes what is its own.
func TestAnswersGoOnlyWhereTheAskerMayPublish(t *testing.T) {
	dir := t.TempDir()
	users, acl := filepath.Join(dir, "passwd"), filepath.Join(dir, "acl")
	if err := os.WriteFile(users, fmt.Appendf(nil, "op:%s\n", passwd.Hash([]byte("hush"))), 0o600); err != nil {
		t.Fatal(err)
	}
	rules := "user op\ntopic write barn/pump/state/set\ntopic write barn/none/state/set\ntopic write op/answers\n"
	if err := os.WriteFile(acl, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startGateway(t, fmt.Sprintf("passwords = %q\nacl = %q\n%s", users, acl, pumpAndFan))
	<-s.begun
	h := &heard{more: make(chan struct{}, 1)}
	defer s.broker.Subscribe("#", h.take)()
	a := dialAsker(t, s, "op", "hush")
	for i, topic := range forbidden {
		a.ask("barn/pump/state/set", topic)
		a.ask("barn/none/state/set", topic) // nobody's: refused, and answered too
		h.await(t, "barn/pump/state/set/result", i+1)
		h.await(t, "barn/none/state/set/result", i+1)
	}
	a.ask("barn/pump/state/set", "op/answers")
	h.await(t, "op/answers", 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range forbidden {
		n := 0
		for _, x := range h.topics {
			if x == topic {
				n++
			}
		}
		if n > 0 {
			t.Errorf("an answer was published on %s", topic)
		}
	}
}

// Who names the topic on which the answer comes anyway, as tools of MQTT 5 do, gets it there, once.
func TestAnswerBesideTheCommandComesAlsoIfItIsAskedFor(t *testing.T) {
	s := startGateway(t, pumpAndFan)
	<-s.begun
	h := &heard{more: make(chan struct{}, 1)}
	defer s.broker.Subscribe("#", h.take)()
	a := dialAsker(t, s, "", "")
	for _, device := range []string{"pump", "none"} {
		a.ask("barn/"+device+"/state/set", "barn/"+device+"/state/set/result")
		h.await(t, "barn/"+device+"/state/set/result", 1)
	}
	a.ask("barn/pump/state/set", "op/answers")
	h.await(t, "op/answers", 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.topics) != 4 { // the last is answered on both
		t.Errorf("answers on %v, want four", h.topics)
	}
}

// What may be answered, by asker.
func TestWhoMayBeAnsweredWhere(t *testing.T) {
	s := startGateway(t, pumpAndFan)
	<-s.begun
	asked := make(chan mqtt.Message, 1)
	defer s.broker.Subscribe("barn/pump/state/set", func(m *mqtt.Message) { asked <- *m })()
	a := dialAsker(t, s, "anyone", "")
	a.ask("barn/pump/state/set", "")
	client := <-asked
	for _, topic := range []string{"barn/gateway/state", "barn/status", "barn/pump/status", "barn/pump/state", "barn/pump/state/set", "barn/fan/state/set/result", "$SYS/x"} {
		for _, m := range []*mqtt.Message{&client, {Origin: "bridge/cloud"}, {Origin: ""}} {
			if s.mayAnswer(m, topic) {
				t.Errorf("an answer for %q may go to %s", m.Origin, topic)
			}
		}
	}
	for _, c := range []struct {
		m     *mqtt.Message
		topic string
		want  bool
	}{
		{&client, "x/answers", true},                         // without an ACL it may publish there
		{&mqtt.Message{Origin: "client/anyone"}, "x", false}, // stored in between: whose it was is not known
		{&mqtt.Message{Origin: "bridge/cloud"}, "up/answers", true},
		{&mqtt.Message{Origin: "bridge/cloud"}, "up/in/x", false}, // fetched, so not sent
		{&mqtt.Message{Origin: "bridge/cloud"}, "x/answers", false},
		{&mqtt.Message{Origin: "bridge/other"}, "up/answers", false},
		{&mqtt.Message{}, "x/answers", true},
	} {
		if got := s.mayAnswer(c.m, c.topic); got != c.want {
			t.Errorf("an answer for %q on %s: %v, want %v", c.m.Origin, c.topic, got, c.want)
		}
	}
	if slices.Contains([]bool{owns(s.config(), "barnacle/status"), owns(s.config(), "barn/gatewayx")}, true) {
		t.Error("owns too much")
	}
}
