package sdnotify

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// manager is the other end of $NOTIFY_SOCKET.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	env  map[string]string
}

func newManager(t *testing.T, socket string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn, env: map[string]string{"NOTIFY_SOCKET": socket}}
}

func (m *manager) open() *Notifier {
	m.t.Helper()
	n, err := Open(func(k string) string { return m.env[k] }, quiet())
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { n.Close() })
	return n
}

// next is the next datagram; they are all sent before it is called.
func (m *manager) next() string {
	m.t.Helper()
	buf := make([]byte, 4096)
	m.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	k, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatalf("no message from the process: %v", err)
	}
	return string(buf[:k])
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestStates(t *testing.T) {
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@sensorgate-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, socket)
			n := m.open()
			n.Ready("3 devices")
			n.Status("attic: no answer")
			n.Stopping("stopping")
			for _, want := range []string{
				"READY=1\nSTATUS=3 devices",
				"STATUS=attic: no answer",
				"STOPPING=1\nSTATUS=stopping",
			} {
				if got := m.next(); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// systemd 253 and later refuse RELOADING=1 of Type=notify-reload without the time.
func TestReloadingCarriesTheMonotonicTime(t *testing.T) {
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	before := monotonicMicros()
	m.open().Reloading()
	after := monotonicMicros()
	state, usec, _ := strings.Cut(m.next(), "\n")
	got, err := strconv.ParseInt(strings.TrimPrefix(usec, "MONOTONIC_USEC="), 10, 64)
	if state != "RELOADING=1" || err != nil || got < before || got > after {
		t.Errorf("got %q %q, want RELOADING=1 and a time from %d to %d", state, usec, before, after)
	}
}

// A device's error text ends up in STATUS; it must not be able to say READY or to
// feed the watchdog.
func TestStatusCanNotInjectVariables(t *testing.T) {
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	m.open().Status("attic:\nWATCHDOG=1\x00\r\nREADY=1")
	if got, want := m.next(), "STATUS=attic: WATCHDOG=1   READY=1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoManagerIsQuiet(t *testing.T) {
	n, err := Open(func(string) string { return "" }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	n.Watch("broker")
	n.Ready("x")
	n.Reloading()
	n.Progress("broker")
	n.Progress("unknown")
	if n.Interval() != 0 {
		t.Errorf("interval %v without a watchdog, want 0", n.Interval())
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestEnvironment(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		bad       bool
	}{
		{"", "", 0, false},
		{"30000000", "", 30 * time.Second, false},
		{"30000000", self, 30 * time.Second, false},
		{"30000000", "1", 0, false}, // meant for our parent
		{"0", "", 0, true},
		{"-5", "", 0, true},
		{"30s", "", 0, true},
		{"9223372036854775807", "", 0, true}, // would overflow
	} {
		env := map[string]string{"WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}
		got, err := watchdogTimeout(func(k string) string { return env[k] })
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("usec %q pid %q: got %v, %v; want %v", c.usec, c.pid, got, err, c.want)
		}
	}
}

func TestUnusableSocketIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nobody")
	_, err := Open(func(k string) string {
		return map[string]string{"NOTIFY_SOCKET": path}[k]
	}, quiet())
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error with the path", err)
	}
}

// pipeNotifier has its manager at the other end of a pipe, for virtual time.
func pipeNotifier(t *testing.T, timeout time.Duration, log *slog.Logger) (*Notifier, <-chan string) {
	ours, theirs := net.Pipe()
	sent := make(chan string, 100)
	go func() {
		buf := make([]byte, 4096)
		for {
			k, err := theirs.Read(buf)
			if err != nil {
				return
			}
			sent <- string(buf[:k])
		}
	}()
	t.Cleanup(func() { ours.Close() })
	return &Notifier{conn: ours, timeout: timeout, log: log}, sent
}

func drain(sent <-chan string) (msgs []string) {
	synctest.Wait()
	for len(sent) > 0 {
		msgs = append(msgs, <-sent)
	}
	return msgs
}

func TestWatchdogIsFedOnlyWhileEveryPartMakesProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		n, sent := pipeNotifier(t, 32*time.Second, slog.New(slog.NewTextHandler(&logged, nil)))
		defer n.Close()
		n.Watch("broker", "journal")
		n.Watch("broker") // twice is once
		n.Status("fine")
		drain(sent)

		feeds := 0
		for range 64 {
			time.Sleep(time.Second)
			n.Progress("broker")
			n.Progress("journal")
			feeds += len(drain(sent))
		}
		if feeds != 16 {
			t.Errorf("%d feeds in 64 s, want 16: one for each eighth of the timeout", feeds)
		}

		// The journal hangs. The broker goes on; it alone must not keep us alive. (The
		// journal's last report came right after a feed, so it counts for one more.)
		var msgs []string
		for range 64 {
			time.Sleep(time.Second)
			n.Progress("broker")
			msgs = append(msgs, drain(sent)...)
		}
		if want := []string{"WATCHDOG=1", "STATUS=no progress: journal"}; !slices.Equal(msgs, want) {
			t.Errorf("while the journal hung: %q, want %q", msgs, want)
		}
		if !strings.Contains(logged.String(), "part=journal for=20s left=16s") {
			t.Errorf("log does not name the part that hangs, how long, what is left: %s", &logged)
		}

		// It was slow only: the feed comes at once and the old status with it.
		n.Progress("journal")
		if got := drain(sent); len(got) != 1 || got[0] != "WATCHDOG=1\nSTATUS=fine" {
			t.Errorf("after the hang: %q, want a feed with the status from before", got)
		}
	})
}

func TestForgottenPartIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, sent := pipeNotifier(t, 8*time.Second, quiet())
		defer n.Close()
		n.Watch("broker", "bridge")
		n.Forget("bridge")
		time.Sleep(2 * time.Second)
		n.Progress("broker")
		if got := drain(sent); len(got) != 1 || got[0] != "WATCHDOG=1" {
			t.Errorf("got %q, want one feed", got)
		}
	})
}

// A manager that does not read (its socket is full) must not stall the loop that
// reports, and the feed that was not taken is tried again.
func TestStuckManagerDoesNotStallProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		n := &Notifier{conn: ours, timeout: 8 * time.Second, log: quiet()}
		defer n.Close()
		n.Watch("broker")
		time.Sleep(time.Second)
		start := time.Now()
		n.Progress("broker")
		if took := time.Since(start); took > writeTimeout {
			t.Errorf("Progress took %v with a stuck manager, want at most %v", took, writeTimeout)
		}
		got := make(chan string, 1)
		go func() {
			buf := make([]byte, 64)
			k, _ := theirs.Read(buf)
			got <- string(buf[:k])
		}()
		n.Progress("broker")
		if msg := <-got; msg != "WATCHDOG=1" {
			t.Errorf("after the manager came back: %q, want the feed", msg)
		}
	})
}

func BenchmarkProgress(b *testing.B) {
	n, err := Open(func(string) string { return "" }, quiet())
	if err != nil {
		b.Fatal(err)
	}
	n.Watch("broker", "journal")
	b.ReportAllocs()
	for b.Loop() {
		n.Progress("journal")
	}
}
