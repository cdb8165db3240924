package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/timing"
)

// lives runs a broker several times on one disk, each time with a wall clock of its own; the
// power is cut in between.
type lives struct {
	t    *testing.T
	disk *crashdisk.Disk
	off  atomic.Int64 // of the wall clock
	set  atomic.Bool
	came chan string // payloads on the topic "will"
}

func newLives(t *testing.T) *lives {
	l := &lives{t: t, disk: crashdisk.New(rand.New(rand.NewPCG(1, 19))), came: make(chan string, 100)}
	l.set.Store(true)
	return l
}

// live runs a broker for f, then cuts the power.
func (l *lives) live(f func(p *piper)) {
	l.t.Helper()
	l.disk.Locked = false
	j, err := journal.Open(journal.Options{
		Dir: "d", FS: l.disk, SegmentSize: 64 << 10, Size: 8 << 20, FreeFloor: -1, SeqStep: SeqStep,
		Wall: func() time.Time { return time.Now().Add(time.Duration(l.off.Load())) }, TimeSynced: l.set.Load,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	b, err := New(Options{Journal: j})
	if err != nil {
		l.t.Fatal(err)
	}
	stop := b.Subscribe("will", func(m *mqtt.Message) { l.came <- string(m.Payload) })
	b.restoreWills() // as Run does
	p := &piper{t: l.t, b: b, l: &listener{Listener: Listener{Network: "unix"}}}
	f(p)
	l.disk.Ops, l.disk.Off = 0, true // what comes now does not get to the disk
	stop()
	for _, nc := range p.ends {
		_ = nc.Close()
	}
	b.shutdown()
	cancel()
	<-done
	l.disk.Cut()
	for len(l.came) > 0 {
		l.t.Errorf("will %q came with the cut, or nobody looked", <-l.came)
	}
}

func (l *lives) wantWill(payload string, within time.Duration) {
	l.t.Helper()
	select {
	case got := <-l.came:
		if got != payload {
			l.t.Errorf("will %q, want %q", got, payload)
		}
	case <-time.After(within):
		l.t.Errorf("will %q did not come within %v", payload, within)
	}
}

func (l *lives) noWill(within time.Duration) {
	l.t.Helper()
	select {
	case got := <-l.came:
		l.t.Errorf("will %q came", got)
	case <-time.After(within):
	}
}

func will(payload string, delay uint32) func(*mqtt.Connect) {
	return func(c *mqtt.Connect) {
		c.Will = &mqtt.Will{Topic: "will", Payload: []byte(payload), QoS: 1, Delay: delay}
	}
}

func inLives(t *testing.T, f func(l *lives)) {
	if timing.Race {
		t.Skip("the disk in memory has no lock; runs without the race detector, as a 32-bit program too")
	}
	synctest.Test(t, func(t *testing.T) { f(newLives(t)) })
}

// Who was connected when the power went is gone: its will comes with the next start, whatever
// kind of session it had. Who said DISCONNECT has none.
func TestWillOfAClientThatWasConnectedAtAPowerCut(t *testing.T) {
	inLives(t, func(l *lives) {
		l.live(func(p *piper) {
			p.connect(mqtt.Level311, "passing", will("of a clean session", 0))
			p.connect(mqtt.Level311, "polite", will("never", 0)).disconnect()
			time.Sleep(2 * time.Second)
			synctest.Wait()
		})
		l.live(func(p *piper) { l.wantWill("of a clean session", time.Second); l.noWill(time.Minute) })
		l.live(func(p *piper) { l.noWill(time.Minute) })
		l.live(func(p *piper) {
			p.connect(mqtt.Level5, "kept", persistent, will("of a kept session", 30))
			time.Sleep(2 * time.Second)
		})
		l.live(func(p *piper) {
			l.noWill(29 * time.Second)
			l.wantWill("of a kept session", 2*time.Second)
			time.Sleep(2 * time.Second)
		})
	})
}

// A delay goes on over a restart: what has passed of it counts, and who is back in time voids
// the will.
func TestDelayedWillIsKeptOverARestart(t *testing.T) {
	inLives(t, func(l *lives) {
		leave := func(p *piper, id string, delay uint32) {
			_ = p.connect(mqtt.Level5, id, persistent, will(id, delay)).nc.Close()
			time.Sleep(40 * time.Second)
		}
		l.live(func(p *piper) { leave(p, "a", 100) })
		l.live(func(p *piper) {
			l.noWill(58 * time.Second)
			l.wantWill("a", 4*time.Second)
			time.Sleep(2 * time.Second) // a cut within journal.commit would have it come again
		})
		l.live(func(p *piper) { leave(p, "b", 100) })
		l.live(func(p *piper) { p.connect(mqtt.Level5, "b", persistent); l.noWill(time.Hour) })
	})
}

// K19: 1970 to now, thirty days back to now, twenty years ahead for two seconds, while the
// gateway runs and over a restart: no session and no message expires that is not old by the
// monotonic clock.
func TestNothingExpiresBecauseTheClockWasSet(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, c := range map[string]struct{ before, after time.Duration }{
		"1970 to now":    {-40 * year, 0},
		"30 days":        {-30 * 24 * time.Hour, 0},
		"20 years ahead": {0, 20 * year},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restart ", restart), func(t *testing.T) {
				inLives(t, func(l *lives) {
					l.off.Store(int64(c.before))
					l.set.Store(c.before == 0)
					step := func() {
						time.Sleep(2 * time.Second)
						l.off.Store(int64(c.after))
						time.Sleep(2 * time.Second)
						l.off.Store(0)
						l.set.Store(true)
						time.Sleep(10 * time.Second)
					}
					session := func(con *mqtt.Connect) { con.CleanStart, con.SessionExpiry = false, 3600 }
					l.live(func(p *piper) {
						sub := p.connect(mqtt.Level5, "sub", session)
						sub.subscribe("t", 1)
						_ = sub.nc.Close()
						pub := p.connect(mqtt.Level5, "pub")
						pub.write(mqtt.AppendPublish(nil, 5, 1<<1, "t", 1, mqtt.AppendExpiry(nil, 3600), []byte("x")))
						pub.wantAck(mqtt.PUBACK, 1)
						if time.Sleep(5 * time.Second); !restart {
							step()
							wantKept(t, p, session)
						}
					})
					if restart {
						if c.after != 0 { // it is ahead just when the gateway starts
							l.off.Store(int64(c.after))
						}
						l.live(func(p *piper) { step(); wantKept(t, p, session) })
					}
				})
			})
		}
	}
}

func wantKept(t *testing.T, p *piper, session func(*mqtt.Connect)) {
	t.Helper()
	again := p.dial(mqtt.Level5)
	if !again.handshake("sub", session).SessionPresent {
		t.Fatal("the session has expired")
	}
	if m := again.want("t", "x"); m.Expiry < 3500 {
		t.Errorf("the message has %d s left of 3,600", m.Expiry)
	}
}

// A session that is really old expires, also over a restart with a clock that is set.
func TestSessionExpiresOverARestart(t *testing.T) {
	inLives(t, func(l *lives) {
		session := func(con *mqtt.Connect) { con.CleanStart, con.SessionExpiry = false, 3600 }
		l.live(func(p *piper) { _ = p.connect(mqtt.Level5, "sub", session).nc.Close(); time.Sleep(5 * time.Second) })
		time.Sleep(2 * time.Hour)
		l.live(func(p *piper) {
			time.Sleep(2 * time.Minute)
			if p.dial(mqtt.Level5).handshake("sub", session).SessionPresent {
				t.Error("the session of two hours ago is still there; its client asked for one")
			}
		})
	})
}
