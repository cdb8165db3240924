package gateway

import (
	"sync/atomic"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/web"
)

// audience is the observer for those who watch and remember: the history, which keeps
// what was published and in which states the channels were, and the pages that are open.
type audience struct {
	keeper  *keeper
	hub     *web.Hub
	devices atomic.Pointer[map[string]*watched] // by name; a reload makes another
}

// watched is what is known of one device. Its states are used by the device's own
// goroutine only.
type watched struct {
	kinds  map[string]drivers.Kind // by channel
	unkept map[string]bool

	was     drivers.Condition
	failing map[string]bool // channels
}

func newAudience(c *config.Config, k *keeper, h *web.Hub) *audience {
	a := &audience{keeper: k, hub: h}
	a.configure(c)
	return a
}

// configure takes another configuration. Channels whose state is not known any more are
// reported again, which the history passes over.
func (a *audience) configure(c *config.Config) {
	devices := make(map[string]*watched, len(c.Devices))
	for _, d := range c.Devices {
		w := &watched{kinds: map[string]drivers.Kind{}, unkept: map[string]bool{}, failing: map[string]bool{}}
		for _, ch := range d.Map.Channels {
			w.kinds[ch.Name], w.unkept[ch.Name] = ch.Kind, ch.Unkept
		}
		devices[d.Name] = w
	}
	a.devices.Store(&devices)
}

func (a *audience) published(device string, rs []mapping.Sample) {
	w := (*a.devices.Load())[device]
	if w == nil { // a reload is taking it away
		return
	}
	for _, s := range rs {
		r := s.Rounded()
		if !w.unkept[r.Channel] {
			a.keeper.reading(device+"/"+r.Channel, w.kinds[r.Channel], r)
		}
		v := web.Value{Device: device, Channel: r.Channel, Unit: r.Unit, Time: r.Time}
		if n, ok := r.Value.Number(); ok {
			v.Value = n
		} else if b, ok := r.Value.Bool(); ok {
			v.Value = b
		} else {
			v.Value = r.Value.String()
		}
		a.hub.Value(v)
	}
}

func (*audience) sent(string, *mqtt.Message) {}

func (a *audience) condition(device string, h drivers.Health) {
	w := (*a.devices.Load())[device]
	if w == nil {
		return
	}
	if h.State != w.was {
		w.was = h.State
		a.state(w, web.State{Device: device, State: string(h.State), Error: h.Error, Since: h.Since})
	}
	failing := map[string]bool{}
	for _, c := range h.Channels {
		failing[c.Channel] = true
		if !w.failing[c.Channel] {
			a.state(w, web.State{Device: device, Channel: c.Channel, State: string(c.State), Error: c.Error, Since: c.Since})
		}
	}
	for c := range w.failing {
		if !failing[c] {
			a.state(w, web.State{Device: device, Channel: c, State: string(drivers.OK), Since: time.Now()})
		}
	}
	w.failing = failing
}

// state spreads and keeps a change of state; with its reason it explains a gap in a plot.
func (a *audience) state(w *watched, s web.State) {
	a.hub.State(s)
	if w.unkept[s.Channel] {
		return
	}
	text := s.State
	if s.Error != "" {
		text += ": " + s.Error
	}
	a.keeper.state(web.StateSeries(s.Device, s.Channel), text, s.Since)
}
