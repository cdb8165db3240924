package gateway

import (
	"sensorgate/bridge"
	"sensorgate/internal/config"
	"sensorgate/internal/journal"
	"sensorgate/internal/status"
)

// upstream is one bridge of the configuration at work, with its spool.
type upstream struct {
	cfg    config.Bridge
	bridge *bridge.Bridge
	queue  *journal.Queue
}

func (g *Gateway) newUpstream(c config.Bridge) (*upstream, error) {
	q, err := g.journal.OpenQueue("spool/"+c.Name, journal.Limits{
		Bytes: c.Spool.Size, Age: c.Spool.Keep, Full: c.Spool.Full, Memory: c.Spool.Memory,
	})
	if err != nil {
		return nil, err
	}
	o := bridge.Options{
		Name: c.Name, Node: g.opt.Config.Node, ClientID: c.ClientID, User: c.User,
		Prefix: c.Prefix, Protocol: c.Protocol, URLs: c.URLs, KeepAlive: c.KeepAlive,
		TLS:     bridge.TLSFiles{CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key, ALPN: c.TLS.ALPN, ServerName: c.TLS.ServerName},
		Status:  bridge.Status{Topic: c.Status.Topic, Online: c.Status.Online, Offline: c.Status.Offline},
		Backlog: bridge.Rate{Messages: c.Spool.Backlog.Messages, Bytes: c.Spool.Backlog.Bytes},
		InOrder: c.Spool.OldestFirst, Late: bridge.LateMark{Topic: c.Spool.LateTopic, Payload: c.Spool.LatePayload},
		Queue: q, SpoolSize: c.Spool.Size, Local: g.broker, TimeSynced: timeSynced, Changed: g.changed,
		Log: g.log.With("upstream", c.Name), Version: g.opt.Version, Dial: g.opt.Around.Dial,
	}
	if c.Password != (config.Secret{}) {
		o.Password = c.Password.Read
	}
	if !c.Spool.Memory {
		o.Store = g.journal
	}
	for _, r := range c.Rules {
		o.Rules = append(o.Rules, bridge.Rule{
			Out: r.Out, In: r.In, Local: r.Local, Remote: r.Remote, QoS: r.QoS, Retain: r.Retain,
			Every: r.Every, Deadband: r.Deadband, Expire: r.Expire, Queue: r.Queue,
		})
	}
	b, err := bridge.New(o)
	if err != nil {
		return nil, err
	}
	return &upstream{cfg: c, bridge: b, queue: q}, nil
}

// startUpstream fills the spool from now on, whether it is connected or not.
func (g *Gateway) startUpstream(u *upstream) {
	g.broker.Attach(u.cfg.Name, u.bridge.Filters(), u.queue)
	g.bridges.start(u.cfg.Name, u.bridge.Run)
}

func (u *upstream) status() status.Upstream {
	s := u.bridge.Status()
	return status.Upstream{
		Name: u.cfg.Name, Connected: s.Connected, URL: s.URL, Since: s.Since, Error: s.Err,
		Waiting: s.Waiting, WaitingBytes: s.WaitingBytes, Oldest: s.Oldest,
		FullIn: s.FullIn.Seconds(),
		Sent:   s.Sent, Received: s.Received, Dropped: s.Dropped, Ignored: s.Ignored,
	}
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
