package bridge

import (
	"context"
	"math/rand/v2"
	"time"
)

// Waits between looks at the first upstream while another one serves. They grow while
// it answers the knock but then does not take us.
const (
	probeMin = 5 * time.Minute
	probeMax = time.Hour
)

// probeFirst looks from time to time whether the first upstream can be reached, and
// closes better when it can. It opens the connection only (TCP, TLS): an MQTT CONNECT
// with our client id might throw off the connection that serves.
func (b *Bridge) probeFirst(ctx context.Context, wait time.Duration, better chan<- struct{}) {
	for {
		t := time.NewTimer(wait + rand.N(wait/4))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		conn, err := b.dial(ctx, b.urls[0])
		if err == nil {
			conn.Close()
			close(better)
			return
		}
	}
}

// probeWait is how long to stay with upstream i before looking at the first one again.
func (b *Bridge) probeWait(i int) time.Duration {
	if i == 0 {
		b.returns = 0
		return 0
	}
	wait := min(probeMin<<min(b.returns, 4), probeMax)
	b.returns++
	return wait
}
