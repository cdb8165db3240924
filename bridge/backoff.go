package bridge

import (
	"errors"
	"math/rand/v2"
	"time"

	"sensorgate/internal/mqtt"
)

// Bounds of the wait between two attempts to connect. Full jitter within them, so that
// a site full of gateways does not come back all at once after a power cut.
const (
	backoffMin = time.Second
	backoffMax = 2 * time.Minute

	// stable is how long a connection must stand before the waits start small again.
	stable = 30 * time.Second

	// A fight over the client id is left to the other: each attempt of ours throws it
	// off, and each of its throws us off.
	fightMin = 5 * time.Second
	fightMax = backoffMax

	// refusedMin is for a CONNACK that says no: that is rarely over in a second.
	refusedMin = 10 * time.Second
)

type backoff struct {
	failures  int
	takeovers int
}

// next returns the wait after a connection that stood for served and ended with err.
func (b *backoff) next(err error, served time.Duration) time.Duration {
	if served >= stable {
		b.failures, b.takeovers = 0, 0
	}
	floor := backoffMin
	var refused *refusedError
	var said *disconnectError
	taken := errors.As(err, &said) && said.reason == mqtt.SessionTakenOver
	switch {
	case taken, served > 0 && served < stable && errors.Is(err, errClosed):
		b.takeovers++
		// A connection that is closed once may have any reason.
		if taken || b.takeovers > 1 {
			floor = min(fightMin<<min(b.takeovers-1, 4), fightMax/2)
		}
	case errors.As(err, &refused):
		floor = refusedMin
	}
	ceiling := backoffMax
	if b.failures < 6 {
		ceiling = min(backoffMax, 2*backoffMin<<b.failures)
	}
	b.failures++
	ceiling = max(ceiling, 2*floor)
	return floor + rand.N(min(ceiling, backoffMax)-floor)
}

// fighting reports whether somebody else seems to use our client id: MQTT 5 says so,
// with 3.1.1 the connection is closed again and again soon after it was accepted.
func (b *backoff) fighting() bool { return b.takeovers >= fightsMin }

// fightsMin is how many in a row make a fight.
const fightsMin = 3
