package broker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/broker/passwd"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// writeFile writes a file of the test and gives its path.
func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func user(name, password string) func(*mqtt.Connect) {
	return func(c *mqtt.Connect) {
		c.Username, c.HasUsername = name, true
		c.Password, c.HasPassword = []byte(password), true
	}
}

// refused connects and gives the reason of the refusal.
func refused(t *testing.T, b *Broker, level byte, change ...func(*mqtt.Connect)) mqtt.Reason {
	t.Helper()
	c := dial(t, b, level)
	con := &mqtt.Connect{Level: level, ClientID: "x", CleanStart: true}
	for _, f := range change {
		f(con)
	}
	c.write(mqtt.AppendConnect(nil, con))
	ack, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), level)
	if err != nil {
		t.Fatal(err)
	}
	if ack.Reason != mqtt.Success {
		c.closed()
	}
	return ack.Reason
}

func passwords(t testing.TB, users ...string) string {
	t.Helper()
	f := passwd.File{}
	for _, u := range users {
		f[u] = passwd.Hash([]byte("pw-" + u))
	}
	path := filepath.Join(t.TempDir(), "passwd")
	if err := f.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPasswords(t *testing.T) {
	b := start(t, func(o *Options) { o.Passwords = passwords(t, "ann", "bob") })
	eachLevel(t, func(t *testing.T, level byte) {
		for name, c := range map[string]struct {
			with []func(*mqtt.Connect)
			want mqtt.Reason
		}{
			"right":          {[]func(*mqtt.Connect){user("ann", "pw-ann")}, mqtt.Success},
			"wrong password": {[]func(*mqtt.Connect){user("ann", "pw-bob")}, mqtt.BadUserNameOrPassword},
			"unknown user":   {[]func(*mqtt.Connect){user("eve", "pw-ann")}, mqtt.BadUserNameOrPassword},
			"empty password": {[]func(*mqtt.Connect){user("ann", "")}, mqtt.BadUserNameOrPassword},
			"nobody":         {nil, mqtt.NotAuthorized},
		} {
			if got := refused(t, b, level, c.with...); got != c.want {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	})
}

func TestListenerOpenToTheNetworkIsRefused(t *testing.T) {
	for _, addr := range []string{":1883", "0.0.0.0:1883", "[::]:1883", "192.168.1.5:1883"} {
		_, err := New(Options{Journal: memoryJournal(t), Listeners: []Listener{{Network: "tcp", Address: addr}}})
		if err == nil || !strings.Contains(err.Error(), "broker.passwords") {
			t.Errorf("%s without passwords: %v, want a refusal that says what to set", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:1883", "[::1]:1883", "localhost:1883"} {
		if _, err := New(Options{Journal: memoryJournal(t), Listeners: []Listener{{Network: "tcp", Address: addr}}}); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestPortTakenSaysByWhom(t *testing.T) {
	first := start(t)
	addr := first.Addrs()[0].String()
	b, err := New(Options{Journal: memoryJournal(t), Listeners: []Listener{{Network: "tcp", Address: addr}}})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Run(context.Background())
	self, rerr := os.ReadFile("/proc/self/comm") // broker.test, or what emulates it
	if rerr != nil {
		t.Fatal(rerr)
	}
	if err == nil || !strings.Contains(err.Error(), "already taken by "+strings.TrimSpace(string(self))) {
		t.Errorf("got %v, want the owner, this test, named", err)
	}
}

// TestPermissionsAtDelivery: a message that was accepted before does not escape a later ACL
// (CVE-2018-12546, CVE-2021-34434): retained, queued, waiting for the window, by will.
func TestPermissionsAtDelivery(t *testing.T) {
	const open, closed = "user ann\ntopic readwrite #\nuser bob\ntopic readwrite #\n", "user ann\ntopic readwrite ok/#\nuser bob\ntopic readwrite ok/#\n"
	users, rules := passwords(t, "ann", "bob"), writeFile(t, "acl", open)
	var options Options
	b := start(t, func(o *Options) {
		o.Passwords, o.ACL = users, rules
		options = *o
	})
	ann := user("ann", "pw-ann")
	bob := user("bob", "pw-bob")

	queued := connect(t, b, mqtt.Level5, "queued", persistent, bob)
	queued.subscribe("#", 1)
	queued.disconnect()
	narrow := connect(t, b, mqtt.Level5, "narrow", bob, func(c *mqtt.Connect) { c.ReceiveMaximum = 1 })
	narrow.subscribe("+/x", 1)
	live := connect(t, b, mqtt.Level311, "live", bob)
	live.subscribe("secret/#", 0)
	dying := connect(t, b, mqtt.Level5, "dying", ann, func(c *mqtt.Connect) {
		c.Will = &mqtt.Will{Topic: "secret/will", Payload: []byte("w"), Retain: true}
	})
	pub := connect(t, b, mqtt.Level5, "pub", ann)
	for i, topic := range []string{"ok/x", "secret/x", "ok/x"} {
		pub.write(mqtt.AppendPublish(nil, 5, mqtt.PublishFlags(1, false, i < 2), topic, uint16(i+1), nil, []byte("v")))
		pub.wantAck(mqtt.PUBACK, uint16(i+1))
	}
	live.want("secret/x", "v")

	if err := os.WriteFile(rules, []byte(closed), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := b.Reload(options); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > timing.Limit(time.Second) {
		t.Errorf("a reload took %v", took)
	}

	pub.publish("secret/x", "v2", 1, 9)
	if a, _ := mqtt.ParseAck(pub.frame(mqtt.PUBACK), 5); a.Reason != mqtt.NotAuthorized {
		t.Errorf("publish to a topic that was closed: %v", a.Reason)
	}
	live.ping() // nothing for it

	m := narrow.want("ok/x", "v")
	narrow.ack(mqtt.PUBACK, m.ID)
	m = narrow.want("ok/x", "v") // secret/x, which waited for the window, is left out
	narrow.ack(mqtt.PUBACK, m.ID)
	narrow.ping()

	queued = connect(t, b, mqtt.Level5, "queued", persistent, bob)
	for range 2 {
		m = queued.want("ok/x", "v")
		queued.ack(mqtt.PUBACK, m.ID)
	}
	queued.ping()

	_ = dying.nc.Close()
	late := connect(t, b, mqtt.Level5, "late", bob)
	late.write(mqtt.AppendSubscribe(nil, 5, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "#", QoS: 1}}}))
	m, _ = late.messageAnd(mqtt.SUBACK)
	if string(m.Topic) != "ok/x" {
		t.Errorf("retained: got %q, want ok/x only", m.Topic)
	}
	late.ack(mqtt.PUBACK, m.ID)
	late.ping()
	if r := b.retained.get("secret/will"); r != nil {
		t.Error("the will of a client was published to a topic that it may not write any more")
	}
}

func TestReloadKeepsTheOldOnABadFile(t *testing.T) {
	users, rules := passwords(t, "ann"), writeFile(t, "acl", "user ann\ntopic readwrite a\n")
	var options Options
	b := start(t, func(o *Options) {
		o.Passwords, o.ACL = users, rules
		options = *o
	})
	c := connect(t, b, mqtt.Level5, "c", user("ann", "pw-ann"))
	for name, breakIt := range map[string]func() func(){
		"password file gone":    func() func() { return replace(t, users, nil) },
		"password file empty":   func() func() { return replace(t, users, []byte{}) },
		"password file cut off": func() func() { return replace(t, users, []byte("ann:$argon2id$v=19$m=19456")) },
		"ACL gone":              func() func() { return replace(t, rules, nil) },
		"ACL garbled":           func() func() { return replace(t, rules, []byte("topic readwrite #/a\n")) },
	} {
		mend := breakIt()
		if err := b.Reload(options); err == nil {
			t.Errorf("%s: the reload was taken", name)
		}
		c.publish("a", "x", 1, 1)
		c.wantAck(mqtt.PUBACK, 1)
		c.publish("b", "x", 1, 2)
		if a, _ := mqtt.ParseAck(c.frame(mqtt.PUBACK), 5); a.Reason != mqtt.NotAuthorized {
			t.Errorf("%s: it opened (%v)", name, a.Reason)
		}
		mend()
	}
	if err := (passwd.File{"bob": passwd.Hash([]byte("x"))}).Save(users); err != nil {
		t.Fatal(err)
	}
	if err := b.Reload(options); err != nil {
		t.Fatal(err)
	}
	// ann is gone from the file: her connection is ended with the reason.
	if f := c.frame(mqtt.DISCONNECT); len(f.Body) < 1 || mqtt.Reason(f.Body[0]) != mqtt.NotAuthorized {
		t.Errorf("DISCONNECT % x, want not authorized", f.Raw)
	}
}

// replace puts other contents into a file, nil for none, and a way back.
func replace(t *testing.T, path string, data []byte) (back func()) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(path, old, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
