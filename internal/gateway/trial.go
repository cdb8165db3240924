package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
	"sensorgate/internal/status"
)

const (
	// trialTime is how long a device may take to say something. One that speaks when it
	// likes and stays silent is not blamed for it.
	trialTime = 10 * time.Second

	// trialSettle is how long the rest of a device's channels may take after the last one
	// that came: a meter is read block by block.
	trialSettle = 3 * time.Second

	// trialLook is how often a trial looks what has come.
	trialLook = 50 * time.Millisecond
)

// Trial is how one device or upstream answered when it was tried.
type Trial struct {
	Name    string `json:"name"` // device.attic, bridge.cloud
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped,omitempty"`
	Text    string `json:"text"`

	// Channels are all that a device has: with a value, as it would be published, or with
	// the reason why there is none.
	Channels []status.Channel `json:"channels,omitempty"`

	// Unlisted is what the device sent and no channel takes, under what to write in the
	// file to have it.
	Unlisted []status.Channel `json:"unlisted,omitempty"`
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
// them again. c must have been checked against h. Outputs are skipped: opening one
// sets it.
func (h *Hardware) Try(ctx context.Context, c *config.Config, log *slog.Logger) []Trial {
	return h.try(ctx, c, log, h.i2c.Run, h.spi.Run)
}

// tryBeside is Try on hardware that runs already: only the serial buses of c are started.
func (h *Hardware) tryBeside(ctx context.Context, c *config.Config, log *slog.Logger) []Trial {
	return h.try(ctx, c, log)
}

func (h *Hardware) try(ctx context.Context, c *config.Config, log *slog.Logger, run ...func(context.Context) error) []Trial {
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
	for _, r := range run {
		start(r)
	}
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
	if switches(d) {
		return Trial{Name: "device." + d.Name, Skipped: true, Text: "takes commands; opening it may switch it"}
	}
	conf := d.Config
	conf.Store = forgetful{}
	var t *trial
	conf.Unlisted = func(r drivers.Reading) { t.take(r) }
	t = &trial{unlisted: map[string]drivers.Reading{}, device: d, newest: map[string]seen{}, mapper: mapping.New(d.Map), lastNews: time.Now()}
	t.mapper.Seen = func(raw, published drivers.Reading) { t.newest[raw.Channel] = seen{raw, published} }
	t.runner = &drivers.Runner{Config: conf, Driver: d.Driver, Sink: t, Log: log}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { _ = t.runner.Run(ctx) }) // always the context's end
	result := t.await(ctx)
	cancel()
	running.Wait()
	return result
}

// switches reports whether opening the device may move something: it takes commands and is
// a pin, of the board or of an expander. What is at the other end of a wire is only
// written on command.
func switches(d config.Device) bool {
	if c, ok := d.Config.Options.(drivers.Claimer); ok {
		if slices.ContainsFunc(c.Claims(), func(c drivers.Claim) bool { return c.Kind == "bus" || c.Kind == "serial" || c.Kind == "tcp" }) {
			return false
		}
	}
	// A total that takes commands is a counter that can be set; counting moves nothing.
	return slices.ContainsFunc(d.Map.Channels, func(c mapping.Channel) bool { return c.Writable && c.Kind != drivers.Total })
}

// trial is one device while it is tried.
type trial struct {
	device config.Device
	runner *drivers.Runner

	mu       sync.Mutex
	mapper   *mapping.Mapper
	newest   map[string]seen
	broken   error     // of the mapper
	lastNews time.Time // when a reading came last
	unlisted map[string]drivers.Reading
}

// Readings implements drivers.Sink.
func (t *trial) Readings(rs []drivers.Reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastNews = time.Now()
	if err := drivers.Guard(func() error { t.mapper.Messages(slices.Clone(rs), true); return nil }); err != nil {
		t.broken = err
	}
}

// maxUnlisted bounds what a trial shows beside the channels.
const maxUnlisted = 200

// take notes what no channel takes.
func (t *trial) take(r drivers.Reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.unlisted[r.Channel]; known || len(t.unlisted) < maxUnlisted {
		t.unlisted[r.Channel] = r
	}
}

// Health implements drivers.Sink; await looks for itself.
func (t *trial) Health(string, drivers.Health) {}

// await waits until all channels have come or failed, nothing more comes, the device
// itself fails, or the time is over.
func (t *trial) await(ctx context.Context) Trial {
	began := time.Now()
	tick := time.NewTicker(trialLook)
	defer tick.Stop()
	for over := false; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			over = true
		}
		if health, channels := t.runner.Health(), t.runner.Channels(); over || t.complete(health, channels) {
			return t.result(health, channels, time.Since(began))
		}
	}
}

// complete reports whether there is nothing more to wait for.
func (t *trial) complete(h drivers.Health, channels []drivers.ChannelHealth) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.broken != nil, h.State == drivers.Absent, h.State == drivers.Stuck, h.State == drivers.Failing && len(h.Channels) == 0:
		return true
	case len(channels) == 0:
		return false
	}
	have := map[string]bool{}
	for _, c := range channels {
		have[c.Channel] = c.State != drivers.Starting
	}
	all := !slices.ContainsFunc(t.device.Map.Channels, func(c mapping.Channel) bool { return c.Kind != drivers.Event && !have[c.Name] })
	wanted := !slices.ContainsFunc(t.device.Expect, func(e drivers.Expectation) bool { return !e.Listed && !have[e.Channel] })
	return all || wanted && time.Since(t.lastNews) > trialSettle
}

func (t *trial) result(h drivers.Health, channels []drivers.ChannelHealth, took time.Duration) Trial {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Trial{Name: "device." + t.device.Name}
	came, failed := false, false
	for _, c := range channelsOf(t.device.Map, channels, t.newest) {
		switch {
		case c.Value.Valid():
			came = true
		case c.State == drivers.Starting:
			c.Error = fmt.Sprintf("has not come in %v", took.Round(100*time.Millisecond))
		}
		failed = failed || c.State == drivers.Failing
		r.Channels = append(r.Channels, c)
	}
	for _, name := range slices.Sorted(maps.Keys(t.unlisted)) {
		u := t.unlisted[name]
		r.Unlisted = append(r.Unlisted, status.Channel{Name: name, State: drivers.OK, Value: status.Value{Value: u.Value}, Unit: u.Unit, Time: u.Time})
	}
	silent := len(channels) == 0
	switch {
	case t.broken != nil:
		r.Text = t.broken.Error()
	case h.State != drivers.OK && h.State != drivers.Degraded && h.State != drivers.Starting && h.Error != "":
		r.Text = h.Error
	case came || failed:
		r.OK, r.Text = !failed, channelsText(r.Channels)
	case t.device.Driver.Every == 0:
		r.OK, r.Text = true, fmt.Sprintf("open; said nothing in %v, which may be as it should", trialTime)
	default:
		r.Text = fmt.Sprintf("no answer in %v", trialTime)
	}
	if silent && !came {
		r.Channels = nil // the text says it of all
	}
	return r
}

// channelsText names the first channels with their values, and all that failed.
func channelsText(channels []status.Channel) string {
	const most = 6
	var parts, failed []string
	for _, c := range channels {
		switch {
		case c.State == drivers.Failing:
			failed = append(failed, c.Name+": "+c.Error)
		case c.Value.Valid() && len(parts) < most:
			parts = append(parts, c.Name+" "+strings.TrimSpace(c.Value.String()+" "+c.Unit))
		case c.Value.Valid() && len(parts) == most:
			parts = append(parts, "…")
		}
	}
	return strings.Join(append(failed, parts...), ", ")
}

// forgetful is the store of a trial: a pulse total must not change by it.
type forgetful struct{}

func (forgetful) Load(string) ([]byte, bool) { return nil, false }
func (forgetful) Save(string, []byte)        {}
