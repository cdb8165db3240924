package gateway

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/modbus"
	"sensorgate/internal/config"
	"sensorgate/internal/scan"
	"sensorgate/internal/web"
)

// Users returns who of a configuration uses a port, a chip or a line, as a scan asks: "" is
// nobody.
func (h *Hardware) Users(c *config.Config) func(kind, where string) string {
	users := map[string]string{}
	for _, d := range c.Devices {
		claimer, ok := d.Config.Options.(drivers.Claimer)
		if !ok {
			continue
		}
		for _, claim := range claimer.Claims() {
			users[claim.Kind+" "+realPath(claim.ID)] = "device." + d.Name
		}
	}
	for _, s := range c.Serial {
		if claimer, ok := s.Options.(drivers.Claimer); ok {
			for _, claim := range claimer.Claims() {
				users[claim.Kind+" "+realPath(claim.ID)] = "serial." + s.Name
			}
		}
	}
	return func(kind, where string) string { return users[kind+" "+realPath(where)] }
}

// realPath is where a link in /dev/serial leads; what is no path stays.
func realPath(id string) string {
	if real, err := filepath.EvalSymlinks(id); err == nil && filepath.IsAbs(id) {
		return real
	}
	return id
}

// scanJob is the one scan that the API runs at a time, or the last one.
type scanJob struct {
	mu    sync.Mutex
	state web.ScanState
	stop  context.CancelFunc // nil: none runs
	ended sync.WaitGroup
}

// longestScan bounds a scan: ten line settings and 247 units are 7 minutes.
const longestScan = 15 * time.Minute

// maxFound bounds what a scan keeps.
const maxFound = 500

// StartScan implements web.Machine.
func (m *webMachine) StartScan(b web.ScanBody) error {
	h, c := m.g.opt.Hardware, m.g.config()
	o := scan.Options{Kinds: b.Kinds, Port: b.Port, I2C: h.i2c, SPI: h.spi, Used: h.Users(c)}
	if len(c.Files) > 0 {
		o.Candidates = func() []modbus.Candidate { return Candidates(h.Catalogue(), filepath.Dir(c.Files[0])) }
	}
	var err error
	if b.Lines != "" {
		if o.Lines, err = scan.ParseLines(b.Lines); err != nil {
			return err
		}
	}
	if b.Units != "" {
		if o.Units, err = scan.ParseUnits(b.Units); err != nil {
			return err
		}
	}
	j := &m.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stop != nil {
		return web.ErrScanRuns
	}
	ctx, stop := context.WithTimeout(context.Background(), longestScan) // run ends it with the gateway
	j.stop, j.state = stop, web.ScanState{Running: true, Started: time.Now(), Found: []web.ScanFound{}, Failed: []string{}}
	j.ended.Go(func() {
		err := drivers.Guard(func() error { return scan.Run(ctx, o, j.sink()) })
		j.mu.Lock()
		defer j.mu.Unlock()
		if err != nil && !errors.Is(err, context.Canceled) {
			j.state.Failed = append(j.state.Failed, err.Error())
		}
		j.state.Running, j.state.What = false, ""
		j.stop()
		j.stop = nil
	})
	return nil
}

// run waits for the gateway's end and ends a scan with it.
func (m *webMachine) run(ctx context.Context) error {
	<-ctx.Done()
	m.StopScan()
	m.job.ended.Wait()
	return nil
}

func (j *scanJob) sink() scan.Sink {
	do := func(change func(*web.ScanState)) {
		j.mu.Lock()
		defer j.mu.Unlock()
		change(&j.state)
	}
	return scan.Sink{
		Progress: func(p scan.Progress) {
			do(func(s *web.ScanState) { s.Kind, s.What, s.Done, s.All = p.Kind, p.What, p.Done, p.All })
		},
		Found: func(f scan.Found) {
			do(func(s *web.ScanState) {
				if len(s.Found) < maxFound {
					s.Found = append(s.Found, web.ScanFound(f))
				}
			})
		},
		Failed: func(kind string, err error) {
			do(func(s *web.ScanState) { s.Failed = append(s.Failed, kind+": "+err.Error()) })
		},
	}
}

// Scan implements web.Machine.
func (m *webMachine) Scan() web.ScanState {
	m.job.mu.Lock()
	defer m.job.mu.Unlock()
	s := m.job.state
	s.Found, s.Failed = append([]web.ScanFound{}, s.Found...), append([]string{}, s.Failed...)
	return s
}

// StopScan implements web.Machine.
func (m *webMachine) StopScan() {
	m.job.mu.Lock()
	defer m.job.mu.Unlock()
	if m.job.stop != nil {
		m.job.stop()
	}
}

// Preview implements web.Machine: it opens the devices that a text adds, once, beside those
// that run.
func (m *webMachine) Preview(ctx context.Context, file, text string) ([]web.Preview, error) {
	if !m.g.reloading.TryLock() {
		return nil, web.ErrScanRuns
	}
	defer m.g.reloading.Unlock() // no reload meanwhile: it could want the same bus
	c := webConfig{m.g}
	drafts, err := c.drafts([]web.ConfigFile{{Name: file, Text: text}})
	if err != nil {
		return nil, err
	}
	next, changes, err := c.next(drafts)
	if err != nil {
		return nil, err
	}
	one := *next
	one.Devices, one.Serial = nil, nil
	for _, d := range next.Devices {
		if _, has := deviceNamed(m.g.config(), d.Name); !has {
			one.Devices = append(one.Devices, d)
		}
	}
	for _, s := range next.Serial {
		if changes.Serial.Touches(s.Name) {
			if slices.ContainsFunc(m.g.config().Serial, func(o config.SerialBus) bool { return o.Name == s.Name }) {
				return nil, fmt.Errorf("serial.%s runs and would change: save that first", s.Name)
			}
			one.Serial = append(one.Serial, s)
		}
	}
	if len(one.Devices) == 0 || len(one.Devices) > 16 {
		return nil, fmt.Errorf("the text adds %d devices, expected 1 to 16", len(one.Devices))
	}
	var out []web.Preview
	for _, t := range m.g.opt.Hardware.tryBeside(ctx, &one, m.g.log.With("part", "preview")) {
		out = append(out, web.Preview(t))
	}
	return out, nil
}

func deviceNamed(c *config.Config, name string) (config.Device, bool) {
	for _, d := range c.Devices {
		if d.Name == name {
			return d, true
		}
	}
	return config.Device{}, false
}
