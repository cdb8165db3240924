package broker

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// inBubble runs f with a broker whose clock jumps to the next event when everybody waits.
// Its connections are pipes.
func inBubble(t *testing.T, f func(t *testing.T, p *piper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- j.Run(ctx) }()
		b, err := New(Options{Journal: j})
		if err != nil {
			t.Fatal(err)
		}
		p := &piper{t: t, b: b, l: &listener{Listener: Listener{Network: "unix"}}}
		f(t, p)
		for _, nc := range p.ends {
			_ = nc.Close()
		}
		b.shutdown()
		cancel()
		<-done
	})
}

type piper struct {
	t    *testing.T
	b    *Broker
	l    *listener
	ends []net.Conn
}

func (p *piper) dial(level byte) *client {
	ours, theirs := net.Pipe()
	p.ends = append(p.ends, ours)
	p.b.begin(theirs, p.l)
	return newClient(p.t, ours, level)
}

func (p *piper) connect(level byte, id string, change ...func(*mqtt.Connect)) *client {
	p.t.Helper()
	c := p.dial(level)
	c.handshake(id, change...)
	return c
}

// read reads without the deadline of next.
func (c *client) readAll() (got []byte, err error) {
	buf := make([]byte, 1024)
	for {
		n, err := c.nc.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return got, err
		}
	}
}

func TestKeepAliveEndsAfterOneAndAHalf(t *testing.T) { // [MQTT-3.1.2-24]
	inBubble(t, func(t *testing.T, p *piper) {
		c := p.connect(mqtt.Level5, "quiet", func(c *mqtt.Connect) { c.KeepAlive = 60 })
		_ = c.nc.SetReadDeadline(time.Time{})
		begin := time.Now()
		got, err := c.readAll()
		if took := time.Since(begin); took != 90*time.Second {
			t.Errorf("ended after %v, want 1 m 30 s", took)
		}
		if len(got) < 3 || got[0] != 0xe0 || mqtt.Reason(got[2]) != mqtt.KeepAliveTimeout || err != io.EOF {
			t.Errorf("got % x, %v; want DISCONNECT keep alive timeout", got, err)
		}
	})
}

func TestSlowlorisIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, p *piper) {
		c := p.dial(mqtt.Level311)
		begin := time.Now()
		packet := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: "slow-slow-slow", CleanStart: true})
		for _, b := range packet {
			if _, err := c.nc.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(begin); took > 11*time.Second || took < 9*time.Second {
			t.Errorf("a byte a second was listened to for %v, want 10 s for all of CONNECT", took)
		}
		if n := p.b.Stats().Clients; n != 0 {
			t.Errorf("%d clients", n)
		}
	})
}

func TestWillDelayAndSessionExpiry(t *testing.T) { // 3.1.3.2.2
	for name, c := range map[string]struct {
		delay, expiry uint32
		back          time.Duration // the client returns; 0: it does not
		want          time.Duration // the will comes; 0: never
	}{
		"delay":                         {delay: 30, expiry: 100, want: 30 * time.Second},
		"session ends first":            {delay: 300, expiry: 100, want: 100 * time.Second},
		"back in time":                  {delay: 30, expiry: 100, back: 10 * time.Second},
		"no delay without session kept": {delay: 30, expiry: 0, want: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, p *piper) {
				came := make(chan time.Time, 2)
				defer p.b.Subscribe("will", func(*mqtt.Message) { came <- time.Now() })()
				session := func(con *mqtt.Connect) {
					con.SessionExpiry, con.CleanStart = c.expiry, false
					con.Will = &mqtt.Will{Topic: "will", Delay: c.delay}
				}
				cl := p.connect(mqtt.Level5, "c", session)
				begin := time.Now()
				_ = cl.nc.Close()
				if c.back > 0 {
					time.Sleep(c.back)
					p.connect(mqtt.Level5, "c", session)
				}
				time.Sleep(10 * time.Minute)
				select {
				case at := <-came:
					if took := at.Sub(begin).Round(time.Millisecond); took != c.want.Round(time.Millisecond) || c.want == 0 {
						t.Errorf("the will came after %v, want %v", took, c.want)
					}
				default:
					if c.want > 0 {
						t.Error("the will did not come")
					}
				}
				p.b.mu.Lock()
				n := len(p.b.sessions)
				p.b.mu.Unlock()
				if kept := c.back > 0; kept != (n == 1) {
					t.Errorf("%d sessions after their expiry", n)
				}
			})
		})
	}
}

func TestMessageExpiry(t *testing.T) { // [MQTT-3.3.2-5, 3.3.2-6]
	inBubble(t, func(t *testing.T, p *piper) {
		sub := p.connect(mqtt.Level5, "sub", persistent)
		sub.subscribe("#", 1)
		_ = sub.nc.Close()
		pub := p.connect(mqtt.Level5, "pub")
		for i, seconds := range []uint32{5, 100} {
			props := mqtt.AppendExpiry(nil, seconds)
			pub.write(mqtt.AppendPublish(nil, 5, mqtt.PublishFlags(1, false, true), "m"+string(rune('0'+i)), uint16(i+1), props, []byte("x")))
			pub.wantAck(mqtt.PUBACK, uint16(i+1))
		}
		time.Sleep(40 * time.Second)
		sub = p.connect(mqtt.Level5, "sub", persistent)
		m := sub.want("m1", "x")
		if !m.HasExpiry || m.Expiry != 60 {
			t.Errorf("queued: expiry %d, want the 60 s that remain", m.Expiry)
		}
		sub.ack(mqtt.PUBACK, m.ID)
		sub.ping() // the other one has expired
		late := p.connect(mqtt.Level5, "late")
		late.write(mqtt.AppendSubscribe(nil, 5, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "#"}}}))
		m, _ = late.messageAnd(mqtt.SUBACK)
		if string(m.Topic) != "m1" || m.Expiry != 60 {
			t.Errorf("retained: %q with expiry %d, want m1 with 60", m.Topic, m.Expiry)
		}
		late.ping()
	})
}

// A connection with a goroutine of its own that is taken over is still read for a moment: what
// its client had sent before is on its way [MQTT-3.14.4-3].
func TestTakenOverStreamIsReadForAMoment(t *testing.T) {
	inBubble(t, func(t *testing.T, p *piper) {
		got := make(chan string, 10)
		defer p.b.Subscribe("#", func(m *mqtt.Message) { got <- m.Topic })()
		c := p.connect(mqtt.Level311, "same", func(c *mqtt.Connect) { c.Will = &mqtt.Will{Topic: "will"} })
		synctest.Wait() // it waits for input
		sessionOf(p.b, "same").conn.stop(mqtt.SessionTakenOver)
		time.Sleep(lastInput / 2)
		c.write(append(mqtt.AppendPublish(nil, mqtt.Level311, 0, "last", 0, nil, nil), 0xe0, 0))
		time.Sleep(time.Second)
		if len(got) != 1 || <-got != "last" {
			t.Error("what the old connection had sent is not what was published")
		}
	})
}
