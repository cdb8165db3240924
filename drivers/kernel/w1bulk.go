package kernel

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"sensorgate/drivers"
)

// bulkFresh is how old a common conversion may be for a probe that asks later. The
// Runner spreads devices over a quarter of a second; a conversion takes three quarters.
const bulkFresh = 2 * time.Second

// w1Master is one 1-Wire bus.
type w1Master struct {
	dir   string
	files *files
	lock  chan struct{}        // 1 deep: one conversion at a time
	fresh map[string]time.Time // probes that a common conversion measured and that did not read it yet
}

// convert sees to it that the probe has a fresh conversion to read and returns when that
// was. The zero time means that reading the probe will make its own: there is no
// therm_bulk_read (Linux 5.10 or later), it may not be written (root only, unless a udev
// rule says otherwise), or the probe is the only one.
func (m *w1Master) convert(ctx context.Context, probe string) (time.Time, error) {
	select {
	case m.lock <- struct{}{}:
		defer func() { <-m.lock }()
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	if at, ok := m.fresh[probe]; ok {
		delete(m.fresh, probe)
		if time.Since(at) <= bulkFresh {
			return at, nil
		}
	}
	probes, _ := filepath.Glob(filepath.Join(m.dir, "??-????????????")) // the pattern is ours
	if len(probes) < 2 || m.trigger() != nil {
		return time.Time{}, nil
	}
	if err := m.await(ctx); err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	clear(m.fresh)
	for _, p := range probes {
		m.fresh[filepath.Base(p)] = now
	}
	delete(m.fresh, probe)
	return now, nil
}

// trigger starts the conversion of all probes. Documentation/ABI/testing/sysfs-driver-w1_therm.
func (m *w1Master) trigger() error {
	f, err := os.OpenFile(m.bulk(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("trigger\n")
	return err
}

// await waits for the conversion: -1 is under way, 1 done, 0 that nobody is waiting.
func (m *w1Master) await(ctx context.Context) error {
	for {
		// The shortest conversion, of 9 bits, takes 94 ms.
		if !drivers.Sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
		state, err := m.files.number(ctx, m.bulk())
		if err != nil || state >= 0 {
			return err
		}
	}
}

func (m *w1Master) bulk() string { return filepath.Join(m.dir, "therm_bulk_read") }
