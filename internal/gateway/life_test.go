package gateway

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/sdnotify"
)

// aHeart delivers messages to its one subscriber, unless it hangs.
type aHeart struct {
	f     func(*mqtt.Message)
	hangs bool
}

func (h *aHeart) Publish(ctx context.Context, m mqtt.Message) error {
	if h.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	h.f(&m)
	return nil
}

func (h *aHeart) Subscribe(_ string, f func(*mqtt.Message)) func() {
	h.f = f
	return func() {}
}

// The watchdog and /healthz have one proof: whatever hangs, systemd is no longer told that
// all is well, and /healthz says which loop it is.
func TestHealthzAndWatchdogHaveOneProofOfLife(t *testing.T) {
	for _, hanging := range []string{"broker", "journal"} {
		socket := filepath.Join(t.TempDir(), "notify")
		manager, err := net.ListenPacket("unixgram", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer manager.Close()
		fed := make(chan int, 1)
		go func() {
			n, b := 0, make([]byte, 1<<10)
			for {
				k, _, err := manager.ReadFrom(b)
				if err != nil || strings.Contains(string(b[:k]), "the end") {
					fed <- n
					return
				}
				if strings.Contains(string(b[:k]), "WATCHDOG=1") {
					n++
				}
			}
		}()
		env := map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "40000000"}
		notify, err := sdnotify.Open(func(k string) string { return env[k] }, quiet)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			heart := &aHeart{}
			stuck := time.Time{}
			l := &life{notify: notify, broker: heart, proof: map[string]time.Time{}, turned: func() time.Time {
				if !stuck.IsZero() {
					return stuck
				}
				return time.Now()
			}}
			if err := l.alive(); err == nil {
				t.Error("alive before the broker listens")
			}
			notify.Watch("broker", "journal")
			defer l.begin()()
			beats := func(n int) {
				for range n {
					time.Sleep(10 * time.Second)
					l.beat(t.Context(), 10*time.Second)
				}
			}
			beats(6)
			if err := l.alive(); err != nil {
				t.Errorf("both loops turn: %v", err)
			}
			if heart.hangs = hanging == "broker"; !heart.hangs {
				stuck = time.Now()
			}
			beats(6)
			if err := l.alive(); err == nil || !strings.Contains(err.Error(), "the "+hanging+"'s loop") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the %s hangs: %v", hanging, err)
			}
			heart.hangs, stuck = false, time.Time{}
			beats(2)
			if err := l.alive(); err != nil {
				t.Errorf("both turn again: %v", err)
			}
		})
		notify.Status("the end")
		if n := <-fed; n < 6 || n > 9 {
			t.Errorf("the watchdog was fed %d times, want about 8: not while the %s hung", n, hanging)
		}
	}
}
