package bridge

import (
	"math/rand/v2"
	"time"
)

// Bounds of the wait between two attempts to connect. Full jitter within them, so that
// a site full of gateways does not come back all at once after a power cut.
const (
	backoffMin = time.Second
	backoffMax = 2 * time.Minute
)

type backoff struct{ failures int }

// next gives the wait before the next attempt.
func (b *backoff) next() time.Duration {
	ceiling := backoffMax
	if b.failures < 7 {
		ceiling = min(backoffMax, 2*backoffMin<<b.failures)
	}
	b.failures++
	return backoffMin + rand.N(ceiling-backoffMin)
}

func (b *backoff) reset() { b.failures = 0 }
