package serial

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"sensorgate/drivers"
)

// Wire says which wire a device is on. Drivers embed it into their options.
type Wire struct {
	Bus    string       `toml:"bus" example:"\"meters\"" doc:"The name of a [serial.NAME] table, a port that devices share."`
	Serial *PortOptions `toml:"serial" example:"{ port = \"/dev/ttyUSB0\", line = \"9600 8N1\" }" doc:"A port for this device alone: { port = …, line = … }."`
	Line   Line         `toml:"line" example:"\"9600 8N1\"" doc:"Speed and frame that the device speaks, where the port has no line of its own: \"9600 8N1\"."`
}

// Check is called by the driver's own Check.
func (w *Wire) Check() error {
	switch {
	case w.Bus == "" && w.Serial == nil:
		return &drivers.KeyError{Key: "serial", Problem: "found neither serial nor bus", Expected: "exactly one",
			Try: `serial = { port = "/dev/ttyUSB0", line = "9600 8N1" }`}
	case w.Bus != "" && w.Serial != nil:
		return &drivers.KeyError{Key: "bus", Problem: "found both serial and bus", Expected: "exactly one"}
	case w.Serial != nil:
		return drivers.Nested("serial", w.Serial.Check())
	}
	return nil
}

// Claims names the wire.
func (w *Wire) Claims() []drivers.Claim {
	if w.Serial == nil {
		return []drivers.Claim{{Kind: "bus", ID: w.Bus, Key: "bus", Shared: true}}
	}
	claims := w.Serial.Claims()
	for i := range claims {
		claims[i].Key = "serial." + claims[i].Key
	}
	return claims
}

// Wires returns devices their Bus: a shared one by its name, which the gateway runs, or
// one that runs only while a device has it open.
type Wires struct {
	buses *Buses
	log   *slog.Logger

	mu   sync.Mutex
	open map[string]*openWire // by claim
}

// openWire is a Bus that we run, and how many devices use it.
type openWire struct {
	bus   *Bus
	users int
	stop  func()
}

// NewWires makes an empty set.
func NewWires(buses *Buses, log *slog.Logger) *Wires {
	return &Wires{buses: buses, log: log, open: map[string]*openWire{}}
}

// LineOn is the line that the device's exchanges need on the bus; zero is the bus's own.
func (w *Wire) LineOn(b *Bus) Line {
	if w.Line.IsZero() || w.Line == b.Line() || b.opts.TCP != "" {
		return Line{}
	}
	return w.Line
}

// MoveTo puts the device onto the bus of that name, whatever the file said, and returns
// the port that the file said, if it was private. A tool that looks at the wire does so.
func (w *Wire) MoveTo(bus string) (private *PortOptions) {
	if w.Serial != nil {
		o := w.private()
		private = &o
	}
	w.Bus, w.Serial = bus, nil
	return private
}

// private is the port of w with what the device says about the line.
func (w *Wire) private() PortOptions {
	o := *w.Serial
	if o.Line.IsZero() && o.TCP == "" {
		o.Line = w.Line
	}
	return o
}

// Open returns the Bus of w. The device calls release when it is closed; release waits
// until a private port is really closed, so that it can be opened again at once.
func (ws *Wires) Open(w Wire) (bus *Bus, release func(), err error) {
	if w.Serial == nil {
		if bus, err = ws.buses.find(w.Bus); err != nil {
			return nil, nil, fmt.Errorf("bus %q: %w", w.Bus, err)
		}
		return bus, func() {}, nil
	}
	id := w.Serial.Claims()[0].ID
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ow := ws.open[id]
	if ow == nil {
		ow = ws.start(id, w.private())
		ws.open[id] = ow
		ws.buses.openPrivate(id, ow.bus)
	}
	ow.users++
	var once sync.Once
	return ow.bus, func() { once.Do(func() { ws.release(id, ow) }) }, nil
}

func (ws *Wires) start(id string, o PortOptions) *openWire {
	ctx, cancel := context.WithCancel(context.Background()) // ended by the last release, not by who came first
	ow := &openWire{bus: NewBus(id, o, ws.log)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ow.bus.Run(ctx)
	}()
	ow.stop = func() { cancel(); <-ended }
	return ow
}

func (ws *Wires) release(id string, ow *openWire) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ow.users--; ow.users == 0 {
		delete(ws.open, id)
		ow.stop()
		ws.buses.closePrivate(id)
	}
}
