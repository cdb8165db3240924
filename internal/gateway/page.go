package gateway

import (
	"context"
	"net/http"
	"sync/atomic"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/web"
)

// page is the web server as a part of the gateway: one server after the other, as the
// configuration wants it.
type page struct {
	g       *Gateway
	side    *webSide
	broker  *webBroker
	machine *webMachine
	server  atomic.Pointer[web.Server]
	change  chan struct{} // has a value when the server is another
}

func newPage(g *Gateway) *page {
	p := &page{g: g, side: &webSide{g: g}, broker: &webBroker{g: g}, machine: &webMachine{g: g}, change: make(chan struct{}, 1)}
	p.server.Store(p.make(g.cfg))
	return p
}

func (p *page) make(c *config.Config) *web.Server {
	o := web.Options{
		Web: c.Web, Gateway: p.side, Config: webConfig{p.g}, Broker: p.broker, Machine: p.machine, Ring: p.g.opt.Ring,
		Log: p.g.log.With("part", "web"), Version: p.g.opt.Version, Demo: p.g.opt.Demo,
	}
	if c.Broker.Passwords != "" {
		o.Users = webUsers{p.g}
	}
	s := web.New(o, p.g.hub)
	if before := p.server.Load(); before != nil {
		s.Inherit(before)
	}
	return s
}

// set takes another configuration. Who is logged in stays so, as long as the user's
// password is the same: a save of the page must be confirmed by whoever made it.
func (p *page) set(c *config.Config) {
	p.server.Store(p.make(c))
	select {
	case p.change <- struct{}{}:
	default:
	}
}

// run serves the listeners of the newest configuration until ctx ends.
func (p *page) run(ctx context.Context) error {
	for ctx.Err() == nil {
		inner, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		s := p.server.Load()
		go func() { done <- drivers.Guard(func() error { return s.Run(inner) }) }()
		var err error
		select {
		case <-ctx.Done():
		case <-p.change:
		case err = <-done:
			stop()
			return err
		}
		stop()
		if err = <-done; err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP serves the routes on the control socket.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.server.Load().Handler().ServeHTTP(w, r)
}
