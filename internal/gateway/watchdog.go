package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
)

// statusEvery is how often systemctl status is brought up to date when no watchdog
// asks for more.
const statusEvery = 10 * time.Second

// notify keeps the service manager informed until ctx ends: ready when the broker
// accepts, one line of status, and the proof of life.
func (g *Gateway) notify(ctx context.Context) error {
	n := g.opt.Notify
	select {
	case <-ctx.Done():
		return nil
	case <-g.broker.Ready():
	}
	n.Ready(g.statusLine())
	defer n.Stopping("delivering the last readings")
	every := statusEvery
	if i := n.Interval(); i > 0 {
		every = min(i, statusEvery)
		n.Watch("broker", "journal")
		defer n.Forget("journal") // stopping takes as long as it takes
		defer n.Forget("broker")
	}
	end := g.life.begin()
	defer end()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n.Status(g.statusLine())
		g.life.beat(ctx, every)
	}
}

// statusLine is what systemctl status shows: what is missing, or that nothing is.
func (g *Gateway) statusLine() string {
	s := g.Snapshot()
	trouble := slices.Clone(s.NotListening)
	for _, d := range s.Devices {
		if d.State != drivers.OK && d.State != drivers.Starting {
			trouble = append(trouble, fmt.Sprintf("%s is %s", d.Name, d.State))
		}
	}
	for _, u := range s.Upstreams {
		if !u.Connected {
			trouble = append(trouble, fmt.Sprintf("upstream %s is away, %d wait", u.Name, u.Waiting))
		}
	}
	if s.Journal.Error != "" {
		trouble = append(trouble, "journal: "+s.Journal.Error)
	}
	if !s.TimeSynced {
		trouble = append(trouble, "clock not synchronised")
	}
	if len(trouble) == 0 {
		return fmt.Sprintf("%d devices and %d upstreams well", len(s.Devices), len(s.Upstreams))
	}
	return strings.Join(trouble, "; ")
}
