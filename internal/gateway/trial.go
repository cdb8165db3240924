package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
)

// trialTime is how long a device may take to say something. One that speaks when it
// likes and stays silent is not blamed for it.
const trialTime = 10 * time.Second

// Trial is how one device or upstream answered when it was tried.
type Trial struct {
	Name    string `json:"name"` // device.attic, bridge.cloud
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped,omitempty"`
	Text    string `json:"text"`

	Readings []drivers.Reading `json:"-"`
}

// Mark is the result in one word.
func (t *Trial) Mark() string {
	switch {
	case t.Skipped:
		return "skipped"
	case t.OK:
		return "ok"
	}
	return "FAILED"
}

// Try opens every device of c once and reads it, all at the same time, and closes
// them again. c must have been checked against h. Devices that take commands are
// skipped: opening an output sets it.
func (h *Hardware) Try(ctx context.Context, c *config.Config, log *slog.Logger) []Trial {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	buses, busesCtx := sync.WaitGroup{}, context.WithoutCancel(ctx)
	busesCtx, stopBuses := context.WithCancel(busesCtx)
	start := func(run func(context.Context) error) {
		buses.Go(func() {
			if err := run(busesCtx); err != nil && busesCtx.Err() == nil {
				log.Warn("bus ended", "err", err)
			}
		})
	}
	start(h.i2c.Run)
	for _, s := range c.Serial {
		start(h.addSerial(s, log))
		defer h.removeSerial(s.Name)
	}
	trials := make([]Trial, len(c.Devices))
	var devices sync.WaitGroup
	for i, d := range c.Devices {
		devices.Go(func() { trials[i] = tryDevice(ctx, d, log) })
	}
	devices.Wait()
	stopBuses()
	buses.Wait()
	return trials
}

func tryDevice(ctx context.Context, d config.Device, log *slog.Logger) Trial {
	t := Trial{Name: "device." + d.Name}
	for _, c := range d.Map.Channels {
		if c.Writable && c.Kind == drivers.State {
			t.Skipped, t.Text = true, "takes commands; opening it may switch it"
			return t
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sink := &trialSink{done: cancel}
	conf := d.Config
	conf.Store = forgetful{}
	r := drivers.Runner{Config: conf, Driver: d.Driver, Sink: sink, Log: log}
	_ = r.Run(ctx) // always the context's end
	return sink.result(t, d.Driver.Every == 0)
}

// trialSink ends a trial with the first readings or the first trouble.
type trialSink struct {
	done func()

	mu       sync.Mutex
	readings []drivers.Reading
	trouble  string
}

// Readings implements drivers.Sink.
func (s *trialSink) Readings(rs []drivers.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readings = append(s.readings, slices.Clone(rs)...)
	s.done()
}

// Health implements drivers.Sink.
func (s *trialSink) Health(_ string, h drivers.Health) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h.State {
	case drivers.Failing, drivers.Absent, drivers.Stuck:
		if s.trouble == "" {
			s.trouble = h.Error
		}
		s.done()
	}
}

func (s *trialSink) result(t Trial, speaksFirst bool) Trial {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.trouble != "":
		t.Text = s.trouble
	case len(s.readings) > 0:
		t.OK, t.Text, t.Readings = true, describe(s.readings), s.readings
	case speaksFirst:
		t.OK, t.Text = true, fmt.Sprintf("open; said nothing in %v, which may be as it should", trialTime)
	default:
		t.Text = fmt.Sprintf("no answer in %v", trialTime)
	}
	return t
}

func describe(rs []drivers.Reading) string {
	const most = 6
	var parts []string
	for i, r := range rs {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, r.Channel+" "+strings.TrimSpace(r.Value.String()+" "+r.Unit))
	}
	return strings.Join(parts, ", ")
}

// forgetful is the store of a trial: a pulse total must not change by it.
type forgetful struct{}

func (forgetful) Load(string) ([]byte, bool) { return nil, false }
func (forgetful) Save(string, []byte)        {}
