package scan

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers/i2c"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/spi"
)

// Kinds are the ways to be connected, in the order of a scan. Modbus is asked only on a
// port that is named.
var Kinds = []string{"serial", "i2c", "spi", "w1", "gpio", "modbus"}

// Found is one thing that is connected.
type Found struct {
	Kind  string `json:"kind"`
	Where string `json:"where"` // port, address, line
	Title string `json:"title"` // what it is, for people
	Sure  bool   `json:"sure"`  // it was asked and answered so
	Used  string `json:"used,omitempty"`
	Note  string `json:"note,omitempty"`

	// Name is a proposal for the device's; Text the keys of its table. Needs is what must be
	// said before it can be read: "model" (a model or driver), or nothing.
	Name  string `json:"name,omitempty"`
	Text  string `json:"text,omitempty"`
	Needs string `json:"needs,omitempty"`

	// Models are those that it can be read with, if it was asked who it is; the first is in
	// Text.
	Models []string `json:"models,omitempty"`
}

// Device is the table of a found thing under a name.
func (f *Found) Device(name string) string {
	return "[device." + name + "]\n" + f.Text
}

// Progress is how far a scan is.
type Progress struct {
	Kind string `json:"kind"`
	What string `json:"what"` // that is asked now
	Done int    `json:"done"`
	All  int    `json:"all"`
}

// Options of a scan. The zero value scans everything but Modbus.
type Options struct {
	Kinds   []string // of Kinds; empty: all
	Port    string   // for Modbus: a path, an adapter's numbers, host:port of a serial server, tcp://host:port
	Lines   []serial.Line
	Units   []byte
	Timeout time.Duration // of one Modbus unit; 0: 150 ms

	// Candidates returns the models that a Modbus unit is asked for, if it is there; nil: none.
	Candidates func() []modbus.Candidate

	I2C *i2c.Buses // that run already; nil: opened for the scan
	SPI *spi.Buses

	// Used reports who uses a port, a select or a line: those are not asked. nil: nobody is
	// known.
	Used func(kind, where string) string
}

// Sink takes what a scan finds. Its functions are called one at a time.
type Sink struct {
	Progress func(Progress)
	Found    func(Found)
	Failed   func(kind string, err error) // the scan goes on with the next
}

// Run scans. It returns an error for options that make no sense, and when ctx ends.
func Run(ctx context.Context, o Options, to Sink) error {
	kinds := o.Kinds
	if len(kinds) == 0 {
		kinds = Kinds
	}
	for _, k := range kinds {
		if !slices.Contains(Kinds, k) {
			return fmt.Errorf("found the kind %q, expected one of %s", k, strings.Join(Kinds, ", "))
		}
	}
	if o.Used == nil {
		o.Used = func(string, string) string { return "" }
	}
	s := &scanner{o: o, to: to}
	steps := map[string]func(context.Context) error{"serial": s.serial, "i2c": s.i2c, "spi": s.spi, "w1": s.w1, "gpio": s.gpio, "modbus": s.modbus}
	for _, k := range kinds {
		if k == "modbus" && o.Port == "" && len(o.Kinds) == 0 {
			continue
		}
		to.Progress(Progress{Kind: k, What: "…"})
		err := steps[k](ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			to.Failed(k, err)
		}
	}
	return nil
}

type scanner struct {
	o  Options
	to Sink
}

// During runs a bus's goroutine while f works with it, and returns f's error when both have
// ended.
func During(ctx context.Context, run func(context.Context) error, f func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { _ = run(ctx) }) // always the context's end
	err := f(ctx)
	stop()
	ended.Wait()
	return err
}

var quiet = slog.New(slog.DiscardHandler)

// Proposal makes a name of a device that no other has: it fits into a topic and is a bare
// key.
func Proposal(wish string, taken func(name string) bool) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(wish))
	if name = strings.Trim(name, "_"); name == "" {
		name = "device"
	}
	name = name[:min(len(name), 40)]
	for n, base := 2, name; taken(name); n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	return name
}
