package broker

import (
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

// expiring is the CONNECT of a session that outlives its connection by so many seconds.
func expiring(seconds uint32) []byte {
	return mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, ClientID: "s", SessionExpiry: seconds})
}

// expiringSession has a client with such a session.
func expiringSession(t *testing.T, b *Broker, seconds uint32) *client {
	t.Helper()
	c := dial(t, b, mqtt.Level5)
	c.write(expiring(seconds))
	c.frame(mqtt.CONNACK)
	return c
}

// backForAnHour has the client come back and ask for an hour: it is not answered before the disk knows of that.
func backForAnHour(t *testing.T, b *Broker, g *gate, early string) {
	t.Helper()
	again := dial(t, b, mqtt.Level5)
	again.write(expiring(3600))
	again.silent(early)
	g.open()
	again.wantPresent("the disk knows of the hour")
}

func (c *client) wantPresent(what string) {
	c.t.Helper()
	if a, err := mqtt.ParseConnack(c.frame(mqtt.CONNACK), mqtt.Level5); err != nil || a.Reason != mqtt.Success || !a.SessionPresent {
		c.t.Errorf("%s: %+v, %v; want the session present", what, a, err)
	}
}

// A client had a session of two seconds, came back and asked for one of an hour. It was answered before the disk knew of
// the hour: the power went, and two seconds after the next start its session was gone.
func TestSessionIsKeptAsLongAsTheLastConnackSays(t *testing.T) {
	b, g := startGated(t)
	first := expiringSession(t, b, 2000)
	first.disconnect()
	g.close()
	b.setSettleLimit(50 * time.Millisecond)
	for range 2 { // the second must not take for done what the first waited for
		refused := dial(t, b, mqtt.Level5)
		refused.write(expiring(3600))
		if a, err := mqtt.ParseConnack(refused.frame(mqtt.CONNACK), mqtt.Level5); err != nil || a.Reason != mqtt.ServerUnavailable {
			t.Errorf("%+v, %v; want server unavailable: the disk does not know of the hour", a, err)
		}
	}
	b.setSettleLimit(time.Minute)
	backForAnHour(t, b, g, "CONNACK of a session that lasts longer than the disk knows")
}

// A DISCONNECT that makes the session shorter is on its way to the disk when the client is back and asks for the hour
// that it had before: the newest that the disk gets to know must be the hour.
func TestSessionThatADisconnectMadeShorterIsKept(t *testing.T) {
	b, g := startGated(t)
	first := expiringSession(t, b, 3600)
	first.ping()
	g.close()
	first.write([]byte{byte(mqtt.DISCONNECT) << 4, 7, 0, 5, 0x11, 0, 0, 0, 2}) // Session Expiry Interval (3.14.2.2.2)
	first.closed()
	waitFor(t, "the end is on its way to the disk", func() bool {
		saved, ok := b.journal.Get(keySession + "s")
		i, _, err := StoredSession(keySession+"s", saved)
		return ok && err == nil && i.Expires.Equal(i.Gone.Add(2*time.Second)) && !i.Gone.IsZero()
	})
	backForAnHour(t, b, g, "CONNACK while the disk hears of two seconds")
}

// Who comes back as before does not wait: what is written about it says the same.
func TestSessionOfTheSameExpiryDoesNotWaitForTheDisk(t *testing.T) {
	b, g := startGated(t)
	expiringSession(t, b, 3600)
	g.close()
	for range 3 {
		next := dial(t, b, mqtt.Level5)
		next.write(expiring(3600))
		next.wantPresent("a take-over")
	}
	g.open()
}
