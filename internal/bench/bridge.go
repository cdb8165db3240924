package bench

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Gateway is a broker with a bridge to a Sink: publishers connect to the one, the
// messages come out at the other.
type Gateway struct {
	*Process
	Sink *Sink
}

// BridgeResult is what one run through a bridge gave.
type BridgeResult struct {
	Workload      string  `json:"workload"`
	Gateway       string  `json:"gateway"`
	Messages      int     `json:"messages"`
	Wrong         int     `json:"wrong"` // not the next one of its publisher, lost ones among them
	Seconds       float64 `json:"seconds"`
	PerSecond     float64 `json:"per_second"`
	CPUPerMillion float64 `json:"cpu_s_per_million"`
	MiB           float64 `json:"resident_mib"` // the most that was seen
	P50           float64 `json:"p50_us,omitempty"`
	P99           float64 `json:"p99_us,omitempty"`
}

// Forward measures the way of n messages of 256 bytes at QoS 1, as fast as they go, from
// the first PUBLISH to the last receipt at the sink.
func (g *Gateway) Forward(ctx context.Context, n int) (BridgeResult, error) {
	if err := g.linked(ctx); err != nil {
		return BridgeResult{}, err
	}
	g.Sink.Reset()
	cpu, start := g.CPU(), time.Now()
	if err := g.publish(ctx, Workload{Name: "forward", Publishers: 4, QoS: 1, Size: 256, Window: 100, Messages: n}, 0); err != nil {
		return BridgeResult{}, err
	}
	peak, err := g.arrived(ctx, n)
	return g.result("forward", n, g.Sink.Tally().Last.Sub(start), g.CPU()-cpu, peak), err
}

// Drain fills the spool with n messages while the sink takes no connection, and measures
// from the first receipt to the last after it takes them again.
func (g *Gateway) Drain(ctx context.Context, n int) (BridgeResult, error) {
	if err := g.fill(ctx, n); err != nil {
		return BridgeResult{}, err
	}
	cpu := g.CPU()
	g.Sink.Idle(false)
	peak, err := g.arrived(ctx, n)
	t := g.Sink.Tally()
	return g.result("drain", n, t.Last.Sub(t.First), g.CPU()-cpu, peak), err
}

// livePublisher is the publisher whose latency is measured while others wait.
const livePublisher = 90

// Live measures the latency at a steady rate for some seconds, with behind messages that
// wait in the spool at the beginning.
func (g *Gateway) Live(ctx context.Context, behind, rate, seconds int) (BridgeResult, error) {
	name := "live"
	if behind > 0 {
		name = fmt.Sprintf("live-%d-behind", behind)
		if err := g.fill(ctx, behind); err != nil {
			return BridgeResult{}, err
		}
		g.Sink.Reset(livePublisher)
		g.Sink.Idle(false)
		// The first that comes is backlog: the link stands.
		if err := g.Sink.Wait(ctx, func(t Tally) bool { return t.Got > 0 }); err != nil {
			return BridgeResult{}, err
		}
	} else {
		if err := g.linked(ctx); err != nil {
			return BridgeResult{}, err
		}
		g.Sink.Reset(livePublisher)
	}
	n := rate * seconds
	cpu, start := g.CPU(), time.Now()
	w := Workload{Name: name, Publishers: 1, QoS: 1, Size: 256, Window: 100, Messages: n, Rate: rate}
	if err := g.publish(ctx, w, livePublisher); err != nil {
		return BridgeResult{}, err
	}
	err := g.Sink.Wait(ctx, func(t Tally) bool { return len(t.latency[livePublisher]) >= n })
	r := g.result(name, n, time.Since(start), g.CPU()-cpu, g.Resident())
	r.P50, r.P99 = g.Sink.Percentiles()
	return r, err
}

// linked waits until a message gets through.
func (g *Gateway) linked(ctx context.Context) error {
	g.Sink.Reset()
	if err := g.publish(ctx, Workload{Publishers: 1, QoS: 1, Size: 256, Window: 1, Messages: 1}, 80); err != nil {
		return err
	}
	return g.Sink.Wait(ctx, func(t Tally) bool { return t.Got > 0 })
}

// fill makes n messages wait for the sink.
func (g *Gateway) fill(ctx context.Context, n int) error {
	if err := g.linked(ctx); err != nil { // the gateway knows its upstream, then loses it
		return err
	}
	g.Sink.Idle(true)
	g.Sink.Reset()
	return g.publish(ctx, Workload{Name: "fill", Publishers: 4, QoS: 1, Size: 256, Window: 100, Messages: n}, 0)
}

// publish sends a workload with publishers numbered from first, and waits for the
// acknowledgements.
func (g *Gateway) publish(ctx context.Context, w Workload, first int) error {
	errs := make(chan error, w.Publishers)
	for i := range w.Publishers {
		c, err := dial(ctx, g.Addr, fmt.Sprintf("bench-pub-%d", first+i))
		if err != nil {
			return err
		}
		defer func(nc net.Conn) { _ = nc.Close() }(c.nc)
		defer context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })()
		p := newPublisher(c, first+i, &w, nil)
		go func() {
			err := p.run()
			if err != nil {
				err = fmt.Errorf("publisher %d after %d of %d messages: %w", p.index, p.number, p.count, err)
			}
			errs <- err
		}()
	}
	var failed error
	for range w.Publishers {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}

// arrived waits until the sink has n messages, and returns the most memory that the
// gateway was seen with.
func (g *Gateway) arrived(ctx context.Context, n int) (peak int64, err error) {
	next := 0
	err = g.Sink.Wait(ctx, func(t Tally) bool {
		if t.Got >= next {
			peak = max(peak, g.Resident())
			next = t.Got + n/20
		}
		return t.Got >= n
	})
	return peak, err
}

func (g *Gateway) result(name string, n int, took, cpu time.Duration, peak int64) BridgeResult {
	t := g.Sink.Tally()
	return BridgeResult{
		Workload: name, Gateway: g.Name, Messages: n, Wrong: t.Wrong,
		Seconds: took.Seconds(), PerSecond: float64(n) / took.Seconds(),
		CPUPerMillion: cpu.Seconds() / float64(n) * 1e6, MiB: float64(peak) / (1 << 20),
	}
}
