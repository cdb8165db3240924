package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/web"
)

// startTimeout is how long a reload waits for a gateway that is still starting.
const startTimeout = 10 * time.Second

var (
	errNoReload = errors.New("this gateway cannot reload: it was not started from a file")
	errStarting = errors.New("the gateway is still starting (try again in a moment)")
)

// Reload reads the configuration again and changes what changed: untouched
// devices, buses, sessions, spools and connections go on without noticing. A refused
// reload changes nothing; its error says why, and so does {node}/gateway/config/error.
func (g *Gateway) Reload() error {
	select {
	case <-g.begun:
	case <-time.After(startTimeout):
		return errStarting
	}
	g.reloading.Lock()
	defer g.reloading.Unlock()
	g.opt.Notify.Reloading()
	defer g.opt.Notify.Ready("running")
	err := g.reload()
	g.mu.Lock()
	g.configErr = err
	g.mu.Unlock()
	g.counted.reload(err)
	g.publishConfigError(err)
	return err
}

func (g *Gateway) reload() error {
	if g.opt.Load == nil {
		return errNoReload
	}
	next, err := g.load()
	if err != nil {
		return err
	}
	old := g.config()
	changes := config.Diff(old, next) // the same that `plan` shows
	if err := needsRestart(&changes); err != nil {
		return err
	}
	// What may fail comes first, while nothing has changed yet.
	upstreams, err := g.planUpstreams(next, &changes.Bridges)
	if err != nil {
		return err
	}
	if err := web.CheckCertificates(next.Web.Listeners); err != nil {
		return err
	}
	if err := g.broker.Reload(brokerOptions(next, g.journal, g.opt)); err != nil {
		return err
	}
	g.audience.configure(next)
	g.changeDevices(old, next, &changes)
	g.changeUpstreams(next, upstreams)
	g.mu.Lock()
	g.cfg = next
	g.mu.Unlock()
	g.conventions.configure(next)
	if len(changes.History) > 0 {
		g.keeper.set(next.History)
	}
	if len(changes.Web) > 0 || old.Broker.Passwords != next.Broker.Passwords {
		g.page.set(next)
	} else if err := g.page.server.Load().RenewCertificates(); err != nil {
		g.log.Warn("the page keeps its old certificate", "err", err)
	}
	devices := describe.Diff(describe.Of(old), describe.Of(next))
	g.hub.Changed(devices)
	g.log.Info("configuration reloaded", "files", next.Files, "added", devices.Added, "changed", devices.Changed, "removed", devices.Removed)
	return nil
}

// load reads the configuration. It asks drivers whether their options are right: a panic in
// one of them is a refused reload.
func (g *Gateway) load() (c *config.Config, err error) {
	err = drivers.Guard(func() (err error) {
		c, err = g.opt.Load()
		return err
	})
	if panicked := (*drivers.PanicError)(nil); errors.As(err, &panicked) {
		g.log.Error("panic while the configuration was read", "err", err, "stack", string(panicked.Stack))
	}
	return c, err
}

// plan reports what a reload would change.
func (g *Gateway) plan() (any, error) {
	if g.opt.Load == nil {
		return nil, errNoReload
	}
	next, err := g.load()
	if err != nil {
		return nil, err
	}
	return config.Diff(g.config(), next), nil
}

// needsRestart names what cannot change under a running gateway: it is the place
// where everything else stands.
func needsRestart(c *config.Changes) error {
	var errs []error
	for _, r := range c.Restart {
		errs = append(errs, fmt.Errorf("%s cannot change while running (try: systemctl restart sensorgate)", r.Name))
	}
	return errors.Join(errs...)
}

// changeDevices stops what is gone or different, then starts what is new. A device
// on a bus that changed counts as different.
func (g *Gateway) changeDevices(old, next *config.Config, changes *config.Changes) {
	keep := map[string]*device{}
	for _, d := range g.devices {
		i := slices.IndexFunc(next.Devices, func(n config.Device) bool { return n.Name == d.cfg.Name })
		if !changes.Devices.Touches(d.cfg.Name) {
			keep[d.cfg.Name] = d
			continue
		}
		g.commands.disconnect(d)
		g.devs.stop(d.cfg.Name)
		var then *config.Device
		if i >= 0 {
			then = &next.Devices[i]
		}
		g.clearTopics(d.cfg.Map, then)
	}
	for _, c := range old.Serial {
		if changes.Serial.Touches(c.Name) {
			g.buses.stop(c.Name)
			g.opt.Hardware.removeSerial(c.Name)
		}
	}
	for _, c := range next.Serial {
		if changes.Serial.Touches(c.Name) {
			g.buses.start(c.Name, g.opt.Hardware.addSerial(c, g.log))
		}
	}
	var devices []*device
	for _, c := range next.Devices {
		d := keep[c.Name]
		if d == nil {
			d = g.follow(newDevice(c, g.broker, g.mayAnswer, &g.counted, g.observers, g.journal, g.log))
			g.startDevice(d)
		}
		devices = append(devices, d)
	}
	g.opt.Hardware.serial.Forget()
	g.mu.Lock()
	g.devices = devices
	g.mu.Unlock()
}

// clearTopics removes the retained messages of a device's topics that it does not
// have any more: nobody shall see the ghost of a device that was renamed.
func (g *Gateway) clearTopics(old mapping.Device, next *config.Device) {
	still := map[string]bool{}
	if next != nil {
		for _, t := range retainedTopics(next.Map) {
			still[t] = true
		}
	}
	for _, topic := range retainedTopics(old) {
		if !still[topic] {
			g.publish(mqtt.Message{Topic: topic, QoS: 1, Retain: true})
		}
	}
}

func (g *Gateway) publish(m mqtt.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := g.broker.Publish(ctx, m); err != nil {
		g.log.Warn("not published", "topic", m.Topic, "err", err)
	}
}

// publishConfigError publishes why the last reload was refused, or takes that back.
func (g *Gateway) publishConfigError(err error) {
	m := mqtt.Message{Topic: g.config().Node + "/gateway/config/error", QoS: 1, Retain: true, Time: time.Now()}
	if err != nil {
		m.Payload = []byte(err.Error())
	}
	g.publish(m)
}

func retainedTopics(d mapping.Device) []string {
	topics := []string{d.StatusTopic()}
	if d.PerDevice {
		if d.Retain {
			topics = append(topics, d.Topic(""))
		}
		return topics
	}
	for _, c := range d.Channels {
		if c.Retain {
			topics = append(topics, d.Topic(c.Name))
		}
	}
	return topics
}

// upstreamPlan is what a reload does to the upstreams: next in the order of the file,
// with those that stay; fresh ones must be started, gone ones stopped.
type upstreamPlan struct {
	next, fresh, gone []*upstream
}

func (g *Gateway) planUpstreams(next *config.Config, changes *config.Tables) (upstreamPlan, error) {
	var p upstreamPlan
	now := map[string]*upstream{}
	for _, u := range g.upstreams {
		now[u.cfg.Name] = u
	}
	for _, c := range next.Bridges {
		u := now[c.Name]
		delete(now, c.Name)
		if u == nil || changes.Touches(c.Name) {
			if u != nil {
				p.gone = append(p.gone, u)
			}
			fresh, err := g.newUpstream(c)
			if err != nil {
				return p, err
			}
			u = fresh
			p.fresh = append(p.fresh, u)
		}
		p.next = append(p.next, u)
	}
	for _, u := range now {
		p.gone = append(p.gone, u)
	}
	return p, nil
}

// changeUpstreams stops connections before it starts their successors: both would use the
// same client id and the same spool. The spool of a removed bridge keeps what waits
// in it, within its bounds, in case the bridge comes back.
func (g *Gateway) changeUpstreams(next *config.Config, p upstreamPlan) {
	for _, u := range p.gone {
		g.bridges.stop(u.cfg.Name)
		if !slices.ContainsFunc(next.Bridges, func(b config.Bridge) bool { return b.Name == u.cfg.Name }) {
			g.broker.Detach(u.cfg.Name)
			if s := u.queue.Stats(); s.Waiting > 0 {
				g.log.Warn("bridge removed; its spool keeps what waits", "upstream", u.cfg.Name, "waiting", s.Waiting)
			}
		}
	}
	for _, u := range p.fresh {
		g.startUpstream(u)
	}
	g.mu.Lock()
	g.upstreams = p.next
	g.mu.Unlock()
}
