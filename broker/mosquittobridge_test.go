package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// A mosquitto with its default settings (try_private, so the bridge bit in its CONNECT)
// bridges into us, both ways on the same topics, while either side is restarted: nothing
// comes back to where it was published, and nothing is lost.
func TestMosquittoBridgesIntoUs(t *testing.T) {
	mosquitto, err := exec.LookPath("mosquitto")
	if err != nil {
		if mosquitto, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			t.Skip("no mosquitto (Debian package mosquitto)")
		}
	}
	x := &bridged{t: t, mosquitto: mosquitto, dir: t.TempDir(), ourPort: strconv.Itoa(freeport.Port(t)), theirPort: strconv.Itoa(freeport.Port(t)), ours: map[string]int{}, theirs: map[string]int{}}
	x.startOurs()
	x.startTheirs()
	x.listen()
	x.until("bridge and listener have subscribed", func() bool {
		if !x.listening.Load() {
			return false
		}
		x.b.mu.Lock()
		defer x.b.mu.Unlock()
		for _, s := range x.b.sessions {
			s.mu.Lock()
			n := len(s.subs)
			s.mu.Unlock()
			if n > 0 {
				return true
			}
		}
		return false
	})

	x.send("ours to theirs", x.ourPort, 200)
	x.send("theirs to ours", x.theirPort, 200)
	x.arrived("ours to theirs", 200, true)
	x.arrived("theirs to ours", 200, true)

	x.stopOurs()
	x.send("while we are away", x.theirPort, 200)
	x.startOurs()
	x.arrived("while we are away", 200, false)

	x.stopTheirs()
	x.send("while they are away", x.ourPort, 200)
	x.startTheirs()
	x.arrived("while they are away", 200, false)

	x.send("afterwards ours", x.ourPort, 50)
	x.send("afterwards theirs", x.theirPort, 50)
	x.arrived("afterwards ours", 50, true)
	x.arrived("afterwards theirs", 50, true)
}

// bridged is our broker and a mosquitto that bridges into it.
type bridged struct {
	t                  *testing.T
	mosquitto, dir     string
	ourPort, theirPort string
	b                  *Broker // ours
	stopOurs           func()
	stopTheirs         func()

	listening    atomic.Bool // at the mosquitto
	mu           sync.Mutex
	ours, theirs map[string]int // how often each message arrived on a side
}

func (x *bridged) startOurs() {
	x.t.Helper()
	j, err := journal.Open(journal.Options{Dir: filepath.Join(x.dir, "ours"), Size: 64 << 20})
	if err != nil {
		x.t.Fatal(err)
	}
	b, err := New(Options{Journal: j, Listeners: []Listener{{Network: "tcp", Address: "127.0.0.1:" + x.ourPort}}})
	if err != nil {
		x.t.Fatal(err)
	}
	b.Subscribe("x/#", func(m *mqtt.Message) { x.count(x.ours, string(m.Payload)) })
	ctx, cancel := context.WithCancel(context.Background())
	jctx, jcancel := context.WithCancel(context.Background())
	var broker, store sync.WaitGroup
	broker.Go(func() {
		if err := b.Run(ctx); err != nil {
			x.t.Error(err)
		}
	})
	store.Go(func() {
		if err := j.Run(jctx); err != nil {
			x.t.Error(err)
		}
	})
	x.stopOurs = sync.OnceFunc(func() { cancel(); broker.Wait(); jcancel(); store.Wait() })
	x.t.Cleanup(x.stopOurs)
	<-b.Ready()
	x.b = b
}

func (x *bridged) startTheirs() {
	x.t.Helper()
	conf := filepath.Join(x.dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\nuser root\n"+
		"connection up\naddress 127.0.0.1:%s\ntopic x/# both 1\nrestart_timeout 1\nlog_type all\n", x.theirPort, x.dir, x.ourPort)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.Command(x.mosquitto, "-c", conf)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.stopTheirs = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it saves what waits
		if err := cmd.Wait(); err != nil || x.t.Failed() {
			x.t.Logf("mosquitto: %v\n%s", err, &log)
		}
	})
	x.t.Cleanup(x.stopTheirs)
	x.until("mosquitto listens", func() bool {
		nc, err := net.Dial("tcp", "127.0.0.1:"+x.theirPort)
		if err == nil {
			_ = nc.Close()
		}
		return err == nil
	})
}

// listen counts what arrives at the mosquitto, over its restarts.
func (x *bridged) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		for ctx.Err() == nil {
			if err := x.listenOnce(ctx); err != nil {
				pause, stop := context.WithTimeout(ctx, 20*time.Millisecond)
				<-pause.Done()
				stop()
			}
		}
	})
	x.t.Cleanup(func() { cancel(); ended.Wait() })
}

func (x *bridged) listenOnce(ctx context.Context) error {
	nc, err := net.Dial("tcp", "127.0.0.1:"+x.theirPort)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	c := newClient(x.t, nc, mqtt.Level311)
	out := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: "sink"})
	out = mqtt.AppendSubscribe(out, mqtt.Level311, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "x/#", QoS: 1}}})
	if _, err := nc.Write(out); err != nil {
		return err
	}
	for {
		f, err := c.next()
		if err != nil {
			return err
		}
		if f.Type == mqtt.SUBACK {
			x.listening.Store(true)
		}
		var p mqtt.Publish
		if f.Type != mqtt.PUBLISH || mqtt.ParsePublish(f, mqtt.Level311, &p) != nil {
			continue
		}
		if p.QoS == 1 {
			x.count(x.theirs, string(p.Payload))
			if _, err := nc.Write(mqtt.AppendAck(nil, mqtt.PUBACK, mqtt.Level311, p.ID, mqtt.Success)); err != nil {
				return err
			}
		}
	}
}

func (x *bridged) count(side map[string]int, payload string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	side[payload]++
}

// send publishes n messages on one side and waits until they are acknowledged.
func (x *bridged) send(name, port string, n int) {
	x.t.Helper()
	nc, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		x.t.Fatal(err)
	}
	defer nc.Close()
	c := newClient(x.t, nc, mqtt.Level311)
	c.handshake("sender")
	for i := range n {
		c.publish("x/y", fmt.Sprintf("%s %d", name, i), 1, uint16(i+1))
	}
	for i := range n {
		c.wantAck(mqtt.PUBACK, uint16(i+1))
	}
}

// arrived waits until all messages are on both sides. Without a restart in between each
// is there once: a second one would be an echo.
func (x *bridged) arrived(name string, n int, once bool) {
	x.t.Helper()
	x.until(name+": everything arrives", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		for i := range n {
			key := fmt.Sprintf("%s %d", name, i)
			if x.ours[key] == 0 || x.theirs[key] == 0 {
				return false
			}
		}
		return true
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range n {
		key := fmt.Sprintf("%s %d", name, i)
		// Over a restart QoS 1 may come twice; an echo would come without end.
		if once && (x.ours[key] != 1 || x.theirs[key] != 1) || x.ours[key] > 3 || x.theirs[key] > 3 {
			x.t.Errorf("%q arrived %d times at ours and %d times at theirs", key, x.ours[key], x.theirs[key])
		}
	}
}

func (x *bridged) until(what string, done func() bool) {
	x.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if done() {
			return
		}
		<-tick.C
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.t.Fatalf("not within 30 s: %s (%d different at ours, %d at theirs)", what, len(x.ours), len(x.theirs))
}
