package broker

import (
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

const years = 365 * 24 * time.Hour

// keepFor publishes a retained message that expires.
func (c *client) keepFor(topic string, id uint16, seconds uint32) {
	c.t.Helper()
	c.write(mqtt.AppendPublish(nil, 5, mqtt.PublishFlags(1, false, true), topic, id, mqtt.AppendExpiry(nil, seconds), []byte("x")))
	c.wantAck(mqtt.PUBACK, id)
}

// A retained message does not expire because the clock was set: not when it was stamped with a
// clock that was wrong, and not by one that is years ahead just when the gateway starts.
func TestRetainedMessageDoesNotExpireBecauseTheClockWasSet(t *testing.T) {
	for name, c := range map[string]struct{ before, at time.Duration }{
		"1970 to now":           {-40 * years, 0},
		"30 days":               {-30 * 24 * time.Hour, 0},
		"20 years ahead":        {0, 20 * years},
		"still not set":         {-40 * years, -40 * years},
		"from 20 years to 1970": {20 * years, -40 * years},
	} {
		t.Run(name, func(t *testing.T) {
			inLives(t, func(l *lives) {
				l.off.Store(int64(c.before))
				l.set.Store(c.before >= 0)
				l.live(func(p *piper) { p.connect(mqtt.Level5, "pub").keepFor("t", 1, 3600); time.Sleep(5 * time.Second) })
				l.off.Store(int64(c.at))
				l.set.Store(c.at >= 0)
				look := func(p *piper, id string) {
					t.Helper()
					s := p.connect(mqtt.Level5, id)
					s.write(mqtt.AppendSubscribe(nil, 5, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "t", QoS: 1}}}))
					if m, _ := s.messageAnd(mqtt.SUBACK); m.Expiry < 3500 || m.Expiry > 3600 {
						t.Errorf("%s: %q with %d s left of 3,600", id, m.Topic, m.Expiry)
					}
				}
				l.live(func(p *piper) {
					time.Sleep(2 * time.Second)
					look(p, "early")
					l.off.Store(0)
					l.set.Store(true)
					time.Sleep(20 * time.Second)
					look(p, "late")
				})
			})
		})
	}
}

// One that is really old has expired, as soon as the clock is believed.
func TestOldRetainedMessageExpiresOverARestart(t *testing.T) {
	inLives(t, func(l *lives) {
		l.live(func(p *piper) { p.connect(mqtt.Level5, "pub").keepFor("t", 1, 3600); time.Sleep(5 * time.Second) })
		time.Sleep(2 * time.Hour)
		l.live(func(p *piper) {
			time.Sleep(20 * time.Second)
			s := p.connect(mqtt.Level5, "s")
			s.subscribe("t", 1)
			s.ping() // nothing came before it
		})
	})
}

// A delay of an earlier run is not over because the clock is years ahead when the gateway starts.
func TestDelayedWillDoesNotComeBecauseTheClockWasSet(t *testing.T) {
	inLives(t, func(l *lives) {
		l.live(func(p *piper) {
			_ = p.connect(mqtt.Level5, "a", persistent, will("a", 300)).nc.Close()
			time.Sleep(5 * time.Second)
		})
		l.off.Store(int64(20 * years))
		l.live(func(p *piper) {
			l.noWill(2 * time.Second)
			l.off.Store(0)
			l.noWill(280 * time.Second)
			l.wantWill("a", time.Minute)
			time.Sleep(2 * time.Second)
		})
	})
}

// What waits for the clock is counted until the clock is set, and not a moment longer than the
// count is remembered.
func TestWhatWaitsForTheClockIsCounted(t *testing.T) {
	inLives(t, func(l *lives) {
		session := func(con *mqtt.Connect) { con.CleanStart, con.SessionExpiry = false, 3600 }
		l.live(func(p *piper) {
			sub := p.connect(mqtt.Level5, "sub", session)
			sub.subscribe("t", 1)
			_ = sub.nc.Close()
			_ = p.connect(mqtt.Level5, "late", session, will("late", 1800)).nc.Close()
			pub := p.connect(mqtt.Level5, "pub")
			pub.write(mqtt.AppendPublish(nil, 5, 1<<1, "t", 1, mqtt.AppendExpiry(nil, 3600), []byte("x")))
			pub.wantAck(mqtt.PUBACK, 1)
			pub.write(mqtt.AppendPublish(nil, 5, 1<<1, "t", 2, nil, []byte("never old")))
			pub.wantAck(mqtt.PUBACK, 2)
			pub.keepFor("r", 3, 3600)
			time.Sleep(5 * time.Second)
			if h := p.b.Stats().Held; h != (Held{}) {
				t.Errorf("%+v waits for a clock that is set", h)
			}
		})
		l.set.Store(false)
		l.live(func(p *piper) {
			time.Sleep(30 * time.Second)
			if h, want := p.b.Stats().Held, (Held{Messages: 1, Retained: 1, Sessions: 2, Wills: 1}); h != want {
				t.Errorf("%+v waits for the clock, want %+v", h, want)
			}
			late := p.connect(mqtt.Level5, "late", session)
			if h, want := p.b.Stats().Held, (Held{Messages: 1, Retained: 1, Sessions: 1}); h != want {
				t.Errorf("with one of them connected %+v waits for the clock, want %+v", h, want)
			}
			late.disconnect()
			l.set.Store(true)
			time.Sleep(2 * time.Minute)
			if h := p.b.Stats().Held; h != (Held{}) {
				t.Errorf("%+v still waits for the clock", h)
			}
		})
	})
}
