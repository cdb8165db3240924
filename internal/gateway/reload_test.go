package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/confd"
	"sensorgate/internal/config"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/sdnotify"
)

// sequence is a driver whose readings are numbered, so that a lost or doubled one
// shows.
func sequence() drivers.Driver {
	return drivers.Driver{
		Name:     "sequence",
		Every:    10 * time.Millisecond,
		Channels: []drivers.Channel{{Name: "n"}},
		Open:     func(context.Context, drivers.DeviceConfig) (any, error) { return &counting{}, nil },
	}
}

type counting struct{ n float64 }

func (c *counting) Poll(context.Context) ([]drivers.Reading, error) {
	c.n++
	return []drivers.Reading{{Channel: "n", Value: drivers.Number(c.n)}}, nil
}

// started is a gateway under test whose file the test rewrites.
type started struct {
	*Gateway
	t    testing.TB
	file string
}

func startGateway(t *testing.T, toml string) *started {
	t.Helper()
	return startGatewayOn(t, withSequence(), toml)
}

func withSequence() *Hardware {
	hw := NewHardware(quiet)
	hw.Registry.Add(sequence())
	return hw
}

func startGatewayOn(t testing.TB, hw *Hardware, toml string) *started {
	t.Helper()
	s := makeGatewayOn(t, hw, toml)
	s.start()
	return s
}

// makeGatewayOn makes a gateway that says nothing before start.
func makeGatewayOn(t testing.TB, hw *Hardware, toml string) *started {
	t.Helper()
	s := &started{t: t, file: filepath.Join(t.TempDir(), "sensorgate.toml")}
	load := func() (*config.Config, error) {
		c, problems := config.Load(s.file, hw.Catalogue())
		if c == nil {
			return nil, problems
		}
		return c, nil
	}
	s.write(toml)
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	notify, err := sdnotify.Open(func(string) string { return "" }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := confd.Open(confd.Options{Data: c.Data})
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway, err = New(Options{Folder: folder, Config: c, Load: load, Hardware: hw, Log: quiet, Version: "test", Notify: notify})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs the gateway until the end of the test, and waits until it is ready.
func (s *started) start() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("gateway: %v", err)
		}
	})
	<-s.Ready()
}

func (s *started) write(toml string) {
	s.t.Helper()
	text := fmt.Sprintf("node = \"barn\"\ndata = %q\n[broker]\nlisten = [\"tcp://127.0.0.1:0\"]\n%s", filepath.Join(filepath.Dir(s.file), "data"), toml)
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// ledger notes what was published for each topic.
type ledger struct {
	mu     sync.Mutex
	last   map[string]float64
	faults []string
	total  int
	more   chan struct{} // has a value after each reading
}

func newLedger() *ledger { return &ledger{last: map[string]float64{}, more: make(chan struct{}, 1)} }

// await blocks until n more readings have come.
func (l *ledger) await(n int) {
	for range n {
		<-l.more
	}
}

func (l *ledger) take(m *mqtt.Message) {
	var p struct{ Value float64 }
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := json.Unmarshal(m.Payload, &p); err != nil {
		l.faults = append(l.faults, fmt.Sprintf("%s %s: %v", m.Topic, m.Payload, err))
		return
	}
	// The first one seen may be any: devices start before the test listens.
	if want := l.last[m.Topic] + 1; p.Value != want && want > 1 {
		l.faults = append(l.faults, fmt.Sprintf("%s: got %v, want %v", m.Topic, p.Value, want))
	}
	l.last[m.Topic] = p.Value
	l.total++
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func TestReloadUnderTrafficTouchesOnlyWhatChanged(t *testing.T) {
	const untouched = 10 // devices, at 100 readings/s each
	var fixed strings.Builder
	for i := range untouched {
		fmt.Fprintf(&fixed, "[device.fixed%d]\ndriver = \"sequence\"\n", i)
	}
	fixed.WriteString("[bridge.fixed]\nurls = [\"mqtt://127.0.0.1:1\"]\nrules = [ { dir = \"out\", local = \"{node}/fixed0/#\", qos = 1 } ]\n")
	g := startGateway(t, fixed.String())
	seen := newLedger()
	for i := range untouched {
		g.broker.Subscribe(fmt.Sprintf("barn/fixed%d/n", i), seen.take)
	}
	reloads := 200
	if testing.Short() {
		reloads = 20
	}
	begin := time.Now()
	goroutines, files := 0, 0
	for i := range reloads {
		var extra strings.Builder
		for k := range i % 4 { // come and go
			fmt.Fprintf(&extra, "[device.extra%d]\ndriver = \"sequence\"\n", k)
		}
		fmt.Fprintf(&extra, "[device.changing]\ndriver = \"sequence\"\nevery = \"%dms\"\n", 10+i%3)
		if i%2 == 1 {
			fmt.Fprintf(&extra, "[bridge.passing]\nurls = [\"mqtt://127.0.0.1:%d\"]\nrules = [ { dir = \"out\", local = \"{node}/changing/#\", qos = %d } ]\n", 2+i%5, i/2%2)
		}
		g.write(fixed.String() + extra.String())
		seen.await(5)
		if err := g.Reload(); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		if i == 8 { // the same file as the last one: 200 ≡ 8 modulo 12 and so on
			goroutines, files = runtime.NumGoroutine(), openFiles(t)
		}
	}
	g.write(fixed.String())
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t); n > files {
		t.Errorf("%d descriptors are open after %d reloads, %d were after 9", n, reloads, files)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines after %d reloads, %d after 9", n, reloads, goroutines)
	}
	waiting := g.Snapshot().Upstreams[0].Waiting
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, f := range seen.faults {
		t.Error(f)
	}
	if first := uint64(seen.last["barn/fixed0/n"]); waiting < first {
		t.Errorf("the spool of an untouched bridge has %d of %d readings", waiting, first)
	}
	t.Logf("%d reloads and %d readings in %v", reloads, seen.total, time.Since(begin).Round(time.Millisecond))
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("skipped: no /proc here")
	}
	return len(entries)
}

// What plan shows of a listener, reload does: it is opened, and who is connected stays.
func TestReloadAddsAndRemovesListeners(t *testing.T) {
	g := startGateway(t, "")
	first := g.listeners()[0]
	old := dialAsker(t, g, "old", "")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := free.Addr().String()
	free.Close()
	text, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	next := strings.Replace(string(text), `["tcp://127.0.0.1:0"]`, `[{ url = "tcp://`+second+`", max_clients = 3 }]`, 1)
	if err := os.WriteFile(g.file, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := g.plan()
	if changes, ok := plan.(config.Changes); err != nil || !ok || len(changes.Restart) > 0 || len(changes.Broker) != 1 {
		t.Fatalf("plan: %+v, %v", plan, err)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := g.listeners(); len(got) != 1 || got[0] != second {
		t.Errorf("listens on %v, want %s", got, second)
	}
	if nc, err := net.Dial("tcp", first); err == nil {
		nc.Close()
		t.Error("the removed listener is open")
	}
	old.ask("x", "") // still connected
	dialAsker(t, g, "new", "")
}

func TestRefusedReloadChangesNothingAndSaysWhy(t *testing.T) {
	g := startGateway(t, "[device.a]\ndriver = \"sequence\"\n")
	published := make(chan string, 8)
	g.broker.Subscribe("barn/gateway/config/error", func(m *mqtt.Message) { published <- string(m.Payload) })
	seen := newLedger()
	g.broker.Subscribe("barn/a/n", seen.take)

	g.write("[device.a]\ndriver = \"sequence\"\neverry = \"1s\"\n")
	err := g.Reload()
	if err == nil {
		t.Fatal("a file with an unknown key was accepted")
	}
	if text := <-published; !strings.Contains(text, "everry") {
		t.Errorf("the topic says %q, want the reason", text)
	}
	if s := g.Snapshot(); !strings.Contains(s.ConfigErr, "everry") || len(s.Devices) != 1 {
		t.Errorf("status: %d devices, config error %q", len(s.Devices), s.ConfigErr)
	}
	g.write("[device.a]\ndriver = \"sequence\"\n")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if text := <-published; text != "" {
		t.Errorf("after a good reload the topic says %q, want it cleared", text)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if len(seen.faults) > 0 {
		t.Errorf("the device did not go on: %v", seen.faults)
	}
}

func TestRemovedDeviceLeavesNoGhost(t *testing.T) {
	g := startGateway(t, "[device.a]\ndriver = \"sequence\"\n[device.b]\ndriver = \"sequence\"\n")
	status := make(chan string, 16)
	g.broker.Subscribe("barn/b/status", func(m *mqtt.Message) { status <- string(m.Payload) })
	for s := ""; !strings.Contains(s, `"ok"`); s = <-status {
	}
	g.write("[device.a]\ndriver = \"sequence\"\n")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	for s := "x"; s != ""; s = <-status {
	}
	g.broker.Subscribe("barn/b/status", func(m *mqtt.Message) {
		t.Errorf("a retained %q is left of a device that is gone", m.Payload)
	})
}

// A driver that panics when its options are checked refuses the reload; the gateway runs on.
func TestPanicInADriversCheckRefusesTheReload(t *testing.T) {
	g := startGateway(t, "")
	g.opt.Load = func() (*config.Config, error) { panic("in Check") }
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "panic: in Check") {
		t.Errorf("the reload ends with %v, want to be refused", err)
	}
	if got := g.Snapshot().ConfigErr; !strings.Contains(got, "in Check") {
		t.Errorf("status says %q about the reload", got)
	}
}
