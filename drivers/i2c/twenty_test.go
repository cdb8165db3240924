package i2c

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

// crowd is twenty chips for one bus, each at an address of its own.
var crowd = map[string]string{
	"bme280": "1:0x76", "bmp280": "1:0x77", "sht3x": "1:0x44", "sht4x": "1:0x45", "shtc3": "1:0x70", "aht20": "1:0x38",
	"tmp102": "1:0x48", "tmp117": "1:0x49", "lm75": "1:0x4c", "mcp9808": "1:0x18", "bh1750": "1:0x23", "veml7700": "1:0x10",
	"scd4x": "1:0x62", "scd30": "1:0x61", "sgp40": "1:0x59", "sen5x": "1:0x69", "ina226": "1:0x41", "ina219": "1:0x40",
	"ens160": "1:0x53", "mpu6050": "1:0x68",
}

// tally is a sink that notes when each device spoke.
type tally struct {
	mu   sync.Mutex
	last map[string]time.Time
	gaps map[string]time.Duration // the longest
	n    int
	bad  map[string]string
}

func (s *tally) Readings(rs []drivers.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += len(rs)
	d, now := rs[0].Device, time.Now()
	if last, ok := s.last[d]; ok && now.After(last) {
		s.gaps[d] = max(s.gaps[d], now.Sub(last))
	}
	s.last[d] = now
}

func (s *tally) Health(device string, h drivers.Health) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.State != drivers.OK && h.State != drivers.Starting && h.State != drivers.Stopped {
		s.bad[device] = h.Error
	}
}

// runCrowd runs twenty chips for a while on one bus at 100 kHz, at their default
// intervals. dead is an address that holds the clock until the adapter gives up.
func runCrowd(t *testing.T, d time.Duration, dead uint16, hold time.Duration) (s *tally, fake *i2ctest.Bus) {
	synctest.Test(t, func(t *testing.T) {
		fake = i2ctest.NewBus()
		fake.Wire(100_000)
		fake.Hold(dead, hold)
		log := slog.New(slog.DiscardHandler)
		buses := NewBusesOn(log, func(string) (i2c.BusCloser, error) { return fake, nil })
		var registry drivers.Registry
		registry.Add(onI2C(buses, nil)...)
		s = &tally{last: map[string]time.Time{}, gaps: map[string]time.Duration{}, bad: map[string]string{}}

		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { buses.Run(ctx) })
		for _, name := range slices.Sorted(maps.Keys(crowd)) {
			driver, err := registry.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			o := driver.Options()
			fields := reflect.ValueOf(o).Elem()
			var at Addr
			if err := at.UnmarshalText([]byte(crowd[name])); err != nil {
				t.Fatal(err)
			}
			o.(interface{ SetAddress(Addr) }).SetAddress(at)
			if shunt := fields.FieldByName("Shunt"); shunt.IsValid() {
				shunt.SetFloat(0.002)
			}
			fake.Attach(at.Chip, simulators[name]())
			r := &drivers.Runner{Driver: driver, Sink: s, Log: log,
				Config: drivers.DeviceConfig{Device: name, Options: o, Every: driver.Every, Store: driverstest.Store{}}}
			all.Go(func() { r.Run(ctx) })
		}
		time.Sleep(d)
		cancel()
		all.Wait()
	})
	return s, fake
}

// Twenty chips share a bus without missing an interval; what it costs is logged.
func TestTwentyChips(t *testing.T) {
	span := 10 * time.Minute
	if testing.Short() {
		span = 2 * time.Minute
	}
	before := cpu(t)
	s, fake := runCrowd(t, span, 0, 0)
	spent := cpu(t) - before
	for device, why := range s.bad {
		t.Errorf("%s: %s", device, why)
	}
	if len(s.last) != 20 {
		t.Errorf("%d of 20 chips spoke: %v", len(s.last), s.last)
	}
	occupied := float64(fake.Busy()) / float64(span)
	t.Logf("%d readings in %v: bus occupied %.2f %%, CPU %v a reading, simulators included", s.n, span, 100*occupied, spent/time.Duration(s.n))
	if occupied > 0.25 {
		t.Errorf("the bus is occupied %.0f %% of the time", 100*occupied)
	}
}

// A chip that holds the clock for a quarter of a second at every transfer delays each
// neighbour by no more than one such transfer.
func TestOneDeadChipDelaysOthersByOneTransfer(t *testing.T) {
	if testing.Short() {
		t.Skip("three times ten minutes of twenty chips")
	}
	const span, hold = 10 * time.Minute, 250 * time.Millisecond
	alive, _ := runCrowd(t, span, 0, 0)
	for _, dead := range []string{"tmp102", "sgp40"} { // a polled one, and one that is sampled every second
		addr := map[string]uint16{"tmp102": 0x48, "sgp40": 0x59}[dead]
		s, _ := runCrowd(t, span, addr, hold)
		if s.bad[dead] == "" {
			t.Errorf("%s is dead and nobody says so", dead)
		}
		for device, gap := range s.gaps {
			// A reading needs several transfers, but the dead chip is asked once in a while
			// only, so at most one of them meets it, and one of the reading before.
			if most := alive.gaps[device] + hold + 50*time.Millisecond; gap > most {
				t.Errorf("with %s dead, %s was silent for %v, want at most %v", dead, device, gap, most)
			}
			delete(s.bad, device)
		}
		delete(s.bad, dead)
		for device, why := range s.bad {
			t.Errorf("with %s dead, %s fails: %s", dead, device, why)
		}
	}
}

// cpu returns the processor time of this process.
func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
