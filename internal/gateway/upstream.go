package gateway

import (
	"sensorgate/bridge"
	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/journal"
	"sensorgate/internal/status"
)

// inboundPrefix begins the names of the queues that remember what came from an upstream.
const inboundPrefix = "down/"

// upstream is one bridge of the configuration at work, with its spool.
type upstream struct {
	cfg    config.Bridge
	bridge *bridge.Bridge
	queue  *journal.Queue
}

func (g *Gateway) newUpstream(c config.Bridge) (*upstream, error) {
	limits := c.Spool
	// Half of the journal is for the spools before anything else, whatever clients leave in it.
	limits.Reserve = g.cfg.Journal.Size / 2 / max(1, int64(len(g.cfg.Bridges)))
	if limits.Bytes > 0 {
		limits.Reserve = min(limits.Bytes, limits.Reserve)
	}
	q, err := g.journal.OpenQueue("spool/"+c.Name, limits)
	if err != nil {
		return nil, err
	}
	o := g.bridgeOptions(c, q)
	if o.Store != nil {
		if o.Inbound, err = g.journal.OpenQueue(inboundPrefix+c.Name, broker.RememberedLimits(g.journal.Size())); err != nil {
			return nil, err
		}
	}
	b, err := bridge.New(o)
	if err != nil {
		return nil, err
	}
	return &upstream{cfg: c, bridge: b, queue: q}, nil
}

func (g *Gateway) bridgeOptions(c config.Bridge, q *journal.Queue) bridge.Options {
	o := c.Options
	o.Queue, o.SpoolSize = q, c.Spool.Bytes
	if !c.Spool.Memory {
		o.Store = g.journal
	}
	if c.Secret != (config.Secret{}) {
		o.Password = c.Secret.Read
	}
	o.Local, o.TimeSynced, o.Changed = g.broker, timeSynced, g.upstreamChanged
	o.Log, o.Version, o.Dial = g.log.With("upstream", c.Name), g.opt.Version, g.opt.Around.Dial
	return o
}

// upstreamChanged is called by a bridge that was connected or has lost its upstream.
func (g *Gateway) upstreamChanged() {
	g.changed()
	g.conventions.upstreamChanged()
}

// startUpstream fills the spool from now on, whether it is connected or not.
func (g *Gateway) startUpstream(u *upstream) {
	g.broker.Attach(u.cfg.Name, u.bridge.Filters(), u.queue)
	g.bridges.start(u.cfg.Name, u.bridge.Run)
}

func (u *upstream) status() status.Upstream {
	s := u.bridge.Status()
	out := status.Upstream{
		Name: u.cfg.Name, Connected: s.Connected, URL: s.URL, Since: s.Since, Error: s.Err,
		Waiting: s.Waiting, WaitingBytes: s.WaitingBytes, Oldest: s.Oldest,
		FullIn: s.FullIn.Seconds(),
		Sent:   s.Sent, Received: s.Received, Dropped: s.Dropped, Ignored: s.Ignored,
		Connects: s.Connects, InFlight: s.InFlight, Limit: u.cfg.Spool.Bytes, DroppedFor: s.DroppedFor,
	}
	if s.Will != nil {
		w, g := status.Will(*s.Will), status.Gaps(s.Gaps)
		out.Will, out.Gaps = &w, &g
	}
	return out
}

// Cut drops the connection of every upstream and keeps it down, or lets it come back. The
// demo shows with it what store-and-forward is.
func (g *Gateway) Cut(cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.upstreams {
		u.bridge.SetOffline(cut)
	}
}
