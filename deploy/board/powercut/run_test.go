package powercut

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sensorgate/deploy/board"
	"sensorgate/deploy/board/crash"
	"sensorgate/internal/freeport"
)

// run is a gateway under load whose power went, with all that is needed to cut it again.
type run struct {
	dir     string // data.start, data.log, ledger.json
	fs      string
	gateway string // the program
	log     []crash.Entry
	led     *ledger
}

func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

// config is the gateway's, on the board and on an image. The upstream "gone" is not there until long after the cut, and
// nobody empties the queue of "behind": both drop their oldest, which has to be counted.
func config(listen, data, upstream, gone string) string {
	return fmt.Sprintf(`node = "cut"
data = %q
[broker]
listen = [{ url = %q, anonymous = true }]
max_queued = "2MiB"
[journal]
size = "16MiB"
keep_free = "1MiB"
[bridge.cloud]
urls = ["mqtt://%s"]
protocol = "5"
spool = { order = "oldest-first", backlog = "1000000/s" }
rules = [
  { dir = "out", local = "led/#", qos = 2 },
  { dir = "in", local = "cmd/#", qos = 2, queue = true },
]
[bridge.gone]
urls = ["mqtt://%s"]
protocol = "5"
spool = { size = "64KiB" }
rules = [ { dir = "out", local = "led/two", qos = 2 } ]
`, data, listen, upstream, gone)
}

// build makes the program, which runs here and on the board.
func build(t *testing.T, dir string) string {
	t.Helper()
	out := filepath.Join(dir, "sensorgate")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out, "sensorgate/cmd/sensorgate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, b)
	}
	return out
}

// record boots the board and takes its power after a while of load.
func record(t *testing.T) *run {
	t.Helper()
	dir, err := os.MkdirTemp("", "cut") // short: it holds UNIX sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	upstreamListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := freeport.Port(t)
	r := &run{dir: dir, fs: *fileSystem, gateway: build(t, dir)}
	toml := r.path("sensorgate.toml")
	upstream := fmt.Sprintf("10.0.2.2:%d", upstreamListener.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(toml, []byte(config("tcp://0.0.0.0:1883", "/data/store", upstream, "127.0.0.1:9")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	m, err := board.New(dir, board.Config{
		Program: r.gateway, Args: []string{"run", "--config", "/t/sensorgate.toml"}, Files: []string{toml},
		Output: &out, DataMB: diskMB(r.fs), DataFS: r.fs, Writes: *writes, Ports: map[int]int{port: 1883},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.led = newLedger(func() int64 {
		info, err := os.Stat(m.DataLog())
		if err != nil {
			t.Error(err)
			return 0
		}
		return info.Size()
	})
	if err := m.Boot(); err != nil {
		t.Fatal(err)
	}
	r.load(t, fmt.Sprintf("127.0.0.1:%d", port), upstreamListener, m)
	if t.Failed() {
		t.Fatalf("%s\n%s", out.String(), m.KernelLog(2000))
	}
	r.parse(t)
	if b, err := r.led.save(); err != nil || os.WriteFile(r.path("ledger.json"), b, 0o600) != nil {
		t.Fatal("the ledger is not saved", err)
	}
	return r
}

func (r *run) parse(t *testing.T) {
	t.Helper()
	var err error
	if r.log, err = crash.ReadLog(r.path("data.log")); err != nil {
		t.Fatal(err)
	}
}

// emulated is how long an emulated machine may take for anything, on a machine that is busy with other things.
const emulated = 15 * time.Minute

// load makes clients and upstream work until the power goes.
func (r *run) load(t *testing.T, addr string, l net.Listener, m *board.Machine) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	start := func(name string, seed uint64, ctx context.Context) {
		c := &client{led: r.led, p: r.led.parties[name], net: "tcp", addr: addr, more: -1}
		if seed != 0 {
			c.rnd = rand.New(rand.NewPCG(seed, 2))
		}
		all.Go(func() { c.run(ctx) })
	}
	u := &upstream{resets: 6}
	u.c = client{led: r.led, p: r.led.parties[upstreamName], more: -1, rnd: rand.New(rand.NewPCG(1, 3))}
	all.Go(func() { u.serve(ctx, l) })
	away, leave := context.WithCancel(ctx)
	start("away", 0, away)
	start(behindName, 0, away)
	start("near", 1, ctx)
	start("near5", 2, ctx)
	start("clean", 3, ctx)
	if !r.led.wait(emulated, func() bool {
		for _, name := range []string{"away", behindName, "near", "near5", "clean", upstreamName} {
			if r.led.parties[name].since == 0 {
				return m.Ended()
			}
		}
		return true
	}) || m.Ended() {
		t.Error("not everybody subscribed")
		m.PowerCut()
		leave()
		return
	}
	leave()
	start("exact", 4, ctx)
	start("once", 5, ctx)
	start("keeper", 6, ctx)
	if !r.led.wait(emulated, func() bool { return len(r.led.events) >= *load || len(r.led.faults) > 0 || m.Ended() }) || m.Ended() {
		t.Errorf("only %d events; the machine has ended: %v", len(r.led.events), m.Ended())
	}
	m.PowerCut()
	r.led.mu.Lock()
	r.led.length = nil
	r.led.mu.Unlock()
}

// wait waits until the ledger satisfies ok.
func (l *ledger) wait(limit time.Duration, ok func() bool) bool {
	deadline := time.After(limit)
	for {
		l.mu.Lock()
		yes, news := ok(), l.news
		l.mu.Unlock()
		if yes {
			return true
		}
		select {
		case <-news:
		case <-time.After(time.Second): // a machine that ends makes no event
		case <-deadline:
			return false
		}
	}
}

// reload takes a run that was kept.
func reload(t *testing.T, dir string) *run {
	t.Helper()
	r := &run{dir: dir, fs: *fileSystem, led: newLedger(nil)}
	r.gateway = build(t, t.TempDir())
	b, err := os.ReadFile(r.path("ledger.json"))
	var events []event
	if err = errors.Join(err, json.Unmarshal(b, &events)); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		r.led.events = append(r.led.events, e)
		r.led.apply(e)
	}
	r.parse(t)
	return r
}

// diskMB is small, as each image has a disk of its own; btrfs does with no less.
func diskMB(fs string) int {
	if fs == "ext4" {
		return 64
	}
	return 320
}

// lockedBuffer keeps what a program prints.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
