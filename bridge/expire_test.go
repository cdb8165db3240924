package bridge

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// K19: a time server that is 20 years ahead for a moment, or a board that learns the time, must
// not make the bridge drop what it is sending as expired, nor shorten what is left.
func TestClockStepExpiresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Int64
		j, err := journal.Open(journal.Options{Wall: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }})
		if err != nil {
			t.Fatal(err)
		}
		rule := out("#", "#", 1)
		rule.Expire = time.Hour
		g, p := newGatewayOn(t, j, options(mqtt.Level5, rule)), newPeer(t, mqtt.Level5)
		own := &mqtt.PublishProperties{HasExpiry: true, MessageExpiry: 600}
		g.send(mqtt.Message{Topic: "a", QoS: 1, Time: time.Now(), Properties: own})
		time.Sleep(time.Minute)
		off.Store(int64(20 * 365 * 24 * time.Hour))
		stop := p.serve(g)
		p.welcome(mqtt.Connack{})
		m, _ := p.publish()
		if string(m.Topic) != "a" || m.Expiry < 539 || m.Expiry > 600 {
			t.Errorf("got %s with %d s to live, want a with 540", m.Topic, m.Expiry)
		}
		p.ack(mqtt.PUBACK, m.ID, 0)
		stopAll(p, stop)
		if s := g.bridge.Status(); s.Dropped != 0 {
			t.Errorf("%d dropped", s.Dropped)
		}
	})
}
