package broker

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/freeport"
	"sensorgate/internal/mqtt"
)

func ptr[T any](v T) *T { return &v }

// reloaded is a broker with its options, to be changed.
type reloaded struct {
	t *testing.T
	b *Broker
	o Options
}

func startReloaded(t *testing.T, change func(*Options)) *reloaded {
	t.Helper()
	r := &reloaded{t: t}
	r.b = start(t, func(o *Options) { change(o); r.o = *o })
	return r
}

func (r *reloaded) reload(change func(*Options)) error {
	change(&r.o)
	o := r.o
	o.Listeners = append([]Listener(nil), o.Listeners...)
	return r.b.Reload(o)
}

func reachable(addr string) bool {
	nc, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		_ = nc.Close()
	}
	return err == nil
}

// Listeners come and go with a reload; who is connected does not notice.
func TestReloadOpensAndClosesListeners(t *testing.T) {
	first, second := "127.0.0.1:"+strconv.Itoa(freeport.Port(t)), "127.0.0.1:"+strconv.Itoa(freeport.Port(t))
	r := startReloaded(t, listening(Listener{Network: "tcp", Address: first}))
	old := connect(t, r.b, mqtt.Level311, "old")
	if err := r.reload(listening(Listener{Network: "tcp", Address: first}, Listener{Network: "ws", Address: second})); err != nil {
		t.Fatal(err)
	}
	if got := r.b.Addrs(); len(got) != 2 || got[1].String() != second || !reachable(second) {
		t.Errorf("listens on %v", got)
	}
	if err := r.reload(listening(Listener{Network: "ws", Address: second})); err != nil {
		t.Fatal(err)
	}
	if reachable(first) || !reachable(second) {
		t.Error("the removed listener is open, or the other closed")
	}
	old.ping()
	// The whole network instead of this machine, on the same port, and back.
	_, port, _ := net.SplitHostPort(second)
	all := Listener{Network: "tcp", Address: "0.0.0.0:" + port, Limits: Limits{Anonymous: ptr(true)}}
	if err := r.reload(listening(all)); err != nil {
		t.Fatal(err)
	}
	if c := connect(t, r.b, mqtt.Level5, "all"); c != nil {
		c.ping()
	}
	if err := r.reload(listening(Listener{Network: "tcp", Address: second})); err != nil {
		t.Fatal(err)
	}
	connect(t, r.b, mqtt.Level5, "again").ping()
	old.ping()
}

// A reload with a port that is taken changes nothing: neither what is open nor the rest.
func TestReloadWithATakenPortChangesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	first, moved := "127.0.0.1:"+strconv.Itoa(freeport.Port(t)), "127.0.0.1:"+strconv.Itoa(freeport.Port(t))
	r := startReloaded(t, listening(Listener{Network: "tcp", Address: first}))
	_, firstPort, _ := net.SplitHostPort(first)
	err = r.reload(func(o *Options) {
		listening(Listener{Network: "tcp", Address: moved}, Listener{Network: "tcp", Address: "0.0.0.0:" + firstPort, Limits: Limits{Anonymous: ptr(true)}},
			Listener{Network: "tcp", Address: "127.0.0.1:" + port})(o)
		o.MaxQoS = ptr(0)
	})
	if err == nil || !strings.Contains(err.Error(), "already taken") {
		t.Fatalf("reload: %v", err)
	}
	if reachable(moved) {
		t.Error("a listener of the refused reload is open")
	}
	c := connect(t, r.b, mqtt.Level5, "c")
	c.subscribe("a", 2) // max_qos did not change
	if got := r.b.Addrs(); len(got) != 1 || got[0].String() != first {
		t.Errorf("listens on %v, want %s", got, first)
	}
}

// Limits of the broker and of one listener; the listener's count on it.
func TestLimitsPerListener(t *testing.T) {
	strict := Limits{MaxPacketSize: 1024, MaxQoS: ptr(1), ReceiveMaximum: 2, ServerKeepAlive: 30 * time.Second, Protocols: []string{"5"}}
	r := startReloaded(t, func(o *Options) {
		o.Listeners = []Listener{{Network: "tcp", Address: "127.0.0.1:0", Limits: strict}, {Network: "tcp", Address: "127.0.0.1:0", MaxClients: 1}}
		o.Limits = Limits{MaxPerAddress: 3}
	})
	dialAt := func(i int, level byte) *client {
		t.Helper()
		nc, err := net.Dial("tcp", r.b.Addrs()[i].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		return newClient(t, nc, level)
	}
	refusedAt := func(i int, level byte, change func(*mqtt.Connect)) mqtt.Reason {
		t.Helper()
		c := dialAt(i, level)
		con := &mqtt.Connect{Level: level, ClientID: fmt.Sprint("r", i, level), CleanStart: true}
		change(con)
		c.write(mqtt.AppendConnect(nil, con))
		ack, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), level)
		if err != nil {
			t.Fatal(err)
		}
		return ack.Reason
	}
	none := func(*mqtt.Connect) {}
	c := dialAt(0, mqtt.Level5)
	ack := c.handshake("strict", func(c *mqtt.Connect) { c.KeepAlive = 600 })
	if ack.MaximumPacket != 1024 || !ack.HasMaximumQoS || ack.MaximumQoS != 1 || ack.ReceiveMaximum != 2 || !ack.HasKeepAlive || ack.ServerKeepAlive != 30 {
		t.Errorf("announced %+v", ack)
	}
	if got := refusedAt(0, mqtt.Level311, none); got != mqtt.UnsupportedVersion {
		t.Errorf("3.1.1 where only 5 is spoken: %v", got)
	}
	if got := refusedAt(0, mqtt.Level5, func(c *mqtt.Connect) { c.Will = &mqtt.Will{Topic: "w", QoS: 2} }); got != mqtt.QoSNotSupported {
		t.Errorf("a will of QoS 2: %v", got)
	}
	c.write(mqtt.AppendSubscribe(nil, mqtt.Level5, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "a", QoS: 2}}}))
	if _, codes, err := mqtt.ParseSuback(c.frame(mqtt.SUBACK), mqtt.Level5); err != nil || codes[0] != mqtt.GrantedQoS1 {
		t.Errorf("granted %v, %v", codes, err)
	}
	c.publish("a", "x", 2, 9)
	if f := c.frame(mqtt.DISCONNECT); f.Body[0] != byte(mqtt.QoSNotSupported) {
		t.Errorf("QoS 2 ends with % x", f.Raw)
	}
	free := dialAt(1, mqtt.Level311)
	free.handshake("free")
	free.publish("a", strings.Repeat("x", 2000), 2, 9)
	free.wantAck(mqtt.PUBREC, 9)
	if got := refusedAt(1, mqtt.Level5, none); got != mqtt.QuotaExceeded {
		t.Errorf("a second client where one may be: %v", got)
	}
	// A reload changes them for who comes; free stays, with what it has.
	if err := r.reload(func(o *Options) { o.Listeners[1].MaxClients, o.MaxQoS = 2, ptr(0) }); err != nil {
		t.Fatal(err)
	}
	free.ack(mqtt.PUBREL, 9)
	free.wantAck(mqtt.PUBCOMP, 9)
	free.publish("a", "y", 1, 10)
	free.wantAck(mqtt.PUBACK, 10)
	late := dialAt(1, mqtt.Level5)
	if ack := late.handshake("late"); !ack.HasMaximumQoS || ack.MaximumQoS != 0 {
		t.Errorf("after the reload: %+v", ack)
	}
	dialAt(0, mqtt.Level5).handshake("third")
	if got := refusedAt(0, mqtt.Level5, none); got != mqtt.ConnectionRateExceeded {
		t.Errorf("a fourth from one address: %v", got)
	}
}

func TestReceiveMaximumOfAListener(t *testing.T) {
	b := start(t, func(o *Options) { o.ReceiveMaximum = 2 })
	c := connect(t, b, mqtt.Level5, "five")
	for id := range uint16(3) {
		c.publish("a", "x", 2, id+1)
	}
	c.wantAck(mqtt.PUBREC, 1)
	c.wantAck(mqtt.PUBREC, 2)
	if f := c.frame(mqtt.DISCONNECT); f.Body[0] != byte(mqtt.ReceiveMaximumExceeded) { // [MQTT-3.3.4-7]
		t.Errorf("ends with % x", f.Raw)
	}
	// A client of 3.1.1 cannot know of it.
	old := connect(t, b, mqtt.Level311, "four")
	for id := range uint16(3) {
		old.publish("a", "x", 2, id+1)
	}
	for id := range uint16(3) {
		old.wantAck(mqtt.PUBREC, id+1)
	}
}

// anonymous on a listener: allowed beside passwords, or forbidden on the loopback.
func TestAnonymousPerListener(t *testing.T) {
	file := passwords(t, "ann")
	r := startReloaded(t, func(o *Options) {
		o.Passwords = file
		o.Listeners = []Listener{{Network: "tcp", Address: "127.0.0.1:0", Limits: Limits{Anonymous: ptr(true)}}}
	})
	nobody := connect(t, r.b, mqtt.Level5, "nobody")
	connect(t, r.b, mqtt.Level5, "ann", user("ann", "pw-ann")).ping()
	if got := refused(t, r.b, mqtt.Level5, user("ann", "wrong")); got != mqtt.BadUserNameOrPassword {
		t.Errorf("a wrong password: %v", got)
	}
	if err := r.reload(func(o *Options) { o.MaxClients = 100 }); err != nil {
		t.Fatal(err)
	}
	nobody.ping() // still allowed
	if err := r.reload(func(o *Options) { o.Listeners[0].Anonymous = ptr(false) }); err != nil {
		t.Fatal(err)
	}
	if f := nobody.frame(mqtt.DISCONNECT); f.Body[0] != byte(mqtt.NotAuthorized) {
		t.Errorf("ends with % x", f.Raw)
	}
	if got := refused(t, r.b, mqtt.Level5); got != mqtt.NotAuthorized {
		t.Errorf("without a login: %v", got)
	}
	if err := r.reload(func(o *Options) { o.Passwords = "" }); err == nil || !strings.Contains(err.Error(), "nobody could connect") {
		t.Errorf("neither passwords nor anonymous: %v", err)
	}
}

// Who needs no login anywhere stays when the listener goes that they came by; who needed none
// there alone does not.
func TestAnonymousClientsOfAListenerThatGoes(t *testing.T) {
	for everywhere := range 2 {
		first, second := "127.0.0.1:"+strconv.Itoa(freeport.Port(t)), "127.0.0.1:"+strconv.Itoa(freeport.Port(t))
		r := startReloaded(t, func(o *Options) {
			o.Passwords = passwords(t, "ann")
			o.Listeners = []Listener{{Network: "tcp", Address: first}, {Network: "tcp", Address: second}}
			if everywhere == 1 {
				o.Anonymous = ptr(true)
			} else {
				o.Listeners[0].Anonymous = ptr(true)
			}
		})
		nobody := connect(t, r.b, mqtt.Level5, "nobody") // by the first
		if err := r.reload(listening(Listener{Network: "tcp", Address: second})); err != nil {
			t.Fatal(err)
		}
		if everywhere == 1 {
			nobody.ping()
			if err := r.reload(func(o *Options) { o.Anonymous = nil }); err != nil {
				t.Fatal(err)
			}
		}
		if f := nobody.frame(mqtt.DISCONNECT); f.Body[0] != byte(mqtt.NotAuthorized) {
			t.Errorf("ends with % x", f.Raw)
		}
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for want, l := range map[string]Limits{
		"max_qos":          {MaxQoS: ptr(3)},
		"receive_maximum":  {ReceiveMaximum: 5000},
		"max_keepalive":    {MaxKeepAlive: 70000 * time.Second},
		"server_keepalive": {ServerKeepAlive: time.Millisecond},
		"protocols":        {Protocols: []string{"4"}},
		"max_per_address":  {MaxPerAddress: -1},
		"max_packet_size":  {MaxPacketSize: 1 << 30},
	} {
		for _, o := range []Options{{Limits: l}, {Listeners: []Listener{{Network: "tcp", Address: "127.0.0.1:0", Limits: l}}}} {
			o.Journal = memoryJournal(t)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
	}
}

// lockedText is a log that several goroutines write.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Who is refused for the others of its address was refused without a word anywhere, and a flood
// of them makes one line a second.
func TestRefusalForTheAddressIsLogged(t *testing.T) {
	log := new(lockedText)
	b := start(t, func(o *Options) {
		o.MaxPerAddress = 1
		o.Log = slog.New(slog.NewTextHandler(log, nil))
	})
	connect(t, b, mqtt.Level5, "first")
	for range 5 {
		if got := refused(t, b, mqtt.Level5); got != mqtt.ConnectionRateExceeded {
			t.Errorf("a second one from the address: %v", got)
		}
	}
	if !strings.Contains(log.String(), "as many clients from its address") {
		t.Errorf("the log has\n%s", log)
	}
	var r refusals
	now := time.Unix(1e9, 0)
	for i, want := range []bool{true, false, false, true} {
		more, due := r.due(now.Add(time.Duration(i) * refusalsEvery / 3))
		if due != want || due && more != i-i/3 {
			t.Errorf("refusal %d: due %v, %d before without a line", i, due, more)
		}
	}
}
