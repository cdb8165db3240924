package i2c

import (
	"context"
	"log/slog"
	"reflect"
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
func crowd() []struct {
	driver, addr string
	chip         i2ctest.Chip
} {
	bme := func(id byte) i2ctest.Chip {
		return i2ctest.NewBME280(id,
			[]byte{0x70, 0x6b, 0x43, 0x67, 0x18, 0xfc, 0x7d, 0x8e, 0x43, 0xd6, 0xd0, 0x0b, 0x27, 0x0b, 0x8c, 0x00, 0xf9, 0xff, 0x8c, 0x3c, 0xf8, 0xc6, 0x70, 0x17, 0x00, 0x4b},
			[]byte{0x6e, 0x01, 0x00, 0x13, 0x05, 0x00, 0x1e}, []byte{0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x7a, 0x76})
	}
	return []struct {
		driver, addr string
		chip         i2ctest.Chip
	}{
		{"bme280", "1:0x76", bme(0x60)}, {"bmp280", "1:0x77", bme(0x58)},
		{"sht3x", "1:0x44", i2ctest.NewSHT3x(0x6666, 0x8000)}, {"sht4x", "1:0x45", i2ctest.NewSHT4x(0x6666, 0x8000)},
		{"shtc3", "1:0x70", i2ctest.NewSHTC3(0x6666, 0x8000)}, {"aht20", "1:0x38", i2ctest.NewAHT(0xbe, true, [5]byte{0x5d, 0x10, 0x66, 0x01, 0xd2})},
		{"tmp102", "1:0x48", i2ctest.NewTMP102(0x1900)}, {"tmp117", "1:0x49", i2ctest.NewTMP117(0x0c80)},
		{"lm75", "1:0x4c", i2ctest.NewLM75(0x1900)}, {"mcp9808", "1:0x18", i2ctest.NewMCP9808(0x0194)},
		{"bh1750", "1:0x23", i2ctest.NewBH1750(500)}, {"veml7700", "1:0x10", i2ctest.NewVEML7700(500)},
		{"scd4x", "1:0x62", i2ctest.NewSCD4x(500, 0x6667, 0x5eb9)}, {"scd30", "1:0x61", i2ctest.NewSCD30(0x43db, 0x8c2e, 0x41d9, 0xe7ff, 0x4243, 0x3a1b)},
		{"sgp40", "1:0x59", i2ctest.NewSGP4x(30000, 0)}, {"sen5x", "1:0x69", i2ctest.NewSEN5x(15, 25, 42, 105, 5025, 4000, 1000, 10)},
		{"ina226", "1:0x41", i2ctest.NewINA226(0x1f40, 0x2570)}, {"ina219", "1:0x40", i2ctest.NewINA219(0x07d0, 0x5d98)},
		{"ens160", "1:0x53", i2ctest.NewENS160(2, 150, 600)}, {"mpu6050", "1:0x68", i2ctest.NewMPU6050(100, 2048, 0)},
	}
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
		registry.Add(Drivers(buses)...)
		s = &tally{last: map[string]time.Time{}, gaps: map[string]time.Duration{}, bad: map[string]string{}}

		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { buses.Run(ctx) })
		for _, c := range crowd() {
			driver, err := registry.Lookup(c.driver)
			if err != nil {
				t.Fatal(err)
			}
			o := driver.Options()
			fields := reflect.ValueOf(o).Elem()
			at := fields.FieldByName("I2C").Addr().Interface().(*Addr)
			if err := at.UnmarshalText([]byte(c.addr)); err != nil {
				t.Fatal(err)
			}
			if shunt := fields.FieldByName("Shunt"); shunt.IsValid() {
				shunt.SetFloat(0.002)
			}
			fake.Attach(at.Chip, c.chip)
			r := &drivers.Runner{Driver: driver, Sink: s, Log: log,
				Config: drivers.DeviceConfig{Device: c.driver, Options: o, Every: driver.Every, Store: driverstest.Store{}}}
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
