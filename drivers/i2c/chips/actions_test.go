package chips

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

// onBus opens a suite's device with chip on its bus.
func onBus(t *testing.T, s i2ctest.Suite, chip i2ctest.Chip, f func(t *testing.T, dev any, b *i2ctest.Bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bus := i2ctest.NewBus()
		bus.Attach(s.Address, chip)
		buses, ctx, end := i2ctest.Start(t, bus)
		defer end()
		driver, config := s.Device(t, buses)
		dev, err := driver.Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		f(t, dev, bus)
	})
}

// commandable opens a device and returns it with what sends it a command.
func commandable(t *testing.T, s i2ctest.Suite, f func(t *testing.T, dev drivers.Poller, chip i2ctest.Chip, send func(channel, payload string) error)) {
	t.Helper()
	chip := s.Chip()
	onBus(t, s, chip, func(t *testing.T, dev any, _ *i2ctest.Bus) {
		f(t, dev.(drivers.Poller), chip, func(channel, payload string) error {
			return dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: channel, Payload: []byte(payload)})
		})
	})
}

// The fan is cleaned on command, and only for "on"; that there is nothing new for ten
// seconds is no fault.
func TestFanCleaning(t *testing.T) {
	for name, s := range map[string]i2ctest.Suite{
		"sps30": {Driver: SPS30, Address: 0x69, Chip: func() i2ctest.Chip {
			return i2ctest.NewSPS30(words32(1.5, 2.5, 4.25, 10.5, 12, 13, 14, 15, 16, 0.5)...)
		}},
		"sen5x": {Driver: SEN5x, Address: 0x69, Chip: func() i2ctest.Chip { return i2ctest.NewSEN5x(15, 25, 42, 105, 5025, 4000, 1000, 10) }},
	} {
		s.Every = time.Second
		commandable(t, s, func(t *testing.T, dev drivers.Poller, chip i2ctest.Chip, send func(string, string) error) {
			for payload, want := range map[string]string{"off": "the only command is on", "5": "not on or off"} {
				if err := send("clean", payload); !errors.Is(err, drivers.ErrRefused) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: clean %s: %v", name, payload, err)
				}
			}
			if err := send("clean", "on"); err != nil || chip.(*i2ctest.Streaming).Cleaned != 1 {
				t.Errorf("%s: clean on: %v, %d times", name, err, chip.(*i2ctest.Streaming).Cleaned)
			}
			for range 9 {
				time.Sleep(time.Second)
				if _, err := driverstest.Poll(t.Context(), dev); err != nil {
					t.Errorf("%s: while it cleans: %v", name, err)
				}
			}
			time.Sleep(2 * time.Second)
			if rs, err := driverstest.Poll(t.Context(), dev); err != nil || len(rs) == 0 {
				t.Errorf("%s: after it was cleaned: %v, %v", name, rs, err)
			}
		})
	}
}

// The present air is taken for a reference; what cannot be one is refused, and so is what
// the chip says it could not do. It measures on.
func TestForcedCalibration(t *testing.T) {
	for name, s := range map[string]i2ctest.Suite{
		"scd4x": {Driver: SCD4x, Address: 0x62, Chip: func() i2ctest.Chip { return i2ctest.NewSCD4x(500, 0x6667, 0x5eb9) }},
		"scd30": {Driver: SCD30, Address: 0x61, Chip: func() i2ctest.Chip { return i2ctest.NewSCD30(0x43db, 0x8c2e, 0x41d9, 0xe7ff, 0x4243, 0x3a1b) }},
	} {
		s.Every = time.Second
		commandable(t, s, func(t *testing.T, dev drivers.Poller, c i2ctest.Chip, send func(string, string) error) {
			chip := c.(*i2ctest.Streaming)
			chip.Answer = 0x8005
			if err := send("reference", "300"); !errors.Is(err, drivers.ErrRefused) {
				t.Errorf("%s: 300 ppm: %v", name, err)
			}
			if err := send("reference", "420"); err != nil || chip.Calibrated != 420 {
				t.Errorf("%s: 420 ppm: %v, the chip has %d", name, err, chip.Calibrated)
			}
			if err := send("pressure", "95000"); err != nil {
				t.Errorf("%s: pressure: %v", name, err)
			}
			if err := send("pressure", "950"); !errors.Is(err, drivers.ErrRefused) {
				t.Errorf("%s: a pressure in hPa: %v, want it refused", name, err)
			}
			if chip.Answer = 0xffff; name == "scd4x" {
				if err := send("reference", "420"); !errors.Is(err, drivers.ErrRefused) || !strings.Contains(err.Error(), "three minutes") {
					t.Errorf("it failed: %v", err)
				}
			}
			time.Sleep(6 * time.Second)
			if rs, err := driverstest.Poll(t.Context(), dev); err != nil || len(rs) != 3 {
				t.Errorf("%s: afterwards: %v, %v", name, rs, err)
			}
		})
	}
}

// A gas sensor compensates for what another device measures while that is fresh, and for
// the usual air, as uncertain, when it is not; a pressure reaches a sensor of CO2, and the
// water's temperature a probe.
func TestCompensationFromOtherDevices(t *testing.T) {
	latest := &drivers.Latest{}
	with := func(s i2ctest.Suite, set func(o any)) i2ctest.Suite {
		s.Every = time.Second
		s.Configure = func(_ drivers.Driver, c *drivers.DeviceConfig) {
			set(c.Options)
			c.Latest = latest
		}
		return s
	}
	put := func(channel, unit string, v float64) {
		latest.Put("attic", drivers.Reading{Channel: channel, Unit: unit, Value: drivers.Number(v), Time: time.Now()})
	}
	poll := func(t *testing.T, dev drivers.Poller) []drivers.Reading {
		rs, err := driverstest.Poll(t.Context(), dev)
		if err != nil {
			t.Error(err)
		}
		return rs
	}
	ezo := with(i2ctest.Suite{Driver: EZO, Address: 0x63, Chip: func() i2ctest.Chip { return &i2ctest.EZO{Name: "pH", Value: "7.01"} }}, func(o any) {
		o.(*ezoOptions).Circuit, o.(*ezoOptions).WaterFrom = "ph", "attic/temperature"
	})
	commandable(t, ezo, func(t *testing.T, dev drivers.Poller, chip i2ctest.Chip, _ func(string, string) error) {
		if rs := poll(t, dev); len(rs) != 1 || rs[0].Quality != drivers.Uncertain {
			t.Errorf("without the water's temperature: %v, want it uncertain", rs)
		}
		put("temperature", "°C", 18.5)
		if rs := poll(t, dev); len(rs) != 1 || rs[0].Quality != drivers.Good || !strings.Contains(strings.Join(chip.(*i2ctest.EZO).Said, " "), "T,18.5") {
			t.Errorf("with it: %v, the circuit heard %q", rs, chip.(*i2ctest.EZO).Said)
		}
		time.Sleep(11 * time.Minute)
		if rs := poll(t, dev); len(rs) != 1 || rs[0].Quality != drivers.Uncertain {
			t.Errorf("eleven minutes later: %v, want it uncertain", rs)
		}
	})
	o := &sgp4xOptions{airOptions: airOptions{Humidity: "attic/humidity", Temperature: "attic/temperature"}}
	o.air(latest)
	put("humidity", "%", 80)
	put("temperature", "K", 300)
	if rh, celsius, q := o.air(latest); rh != 80 || celsius != 25 || q != drivers.Uncertain {
		t.Errorf("a temperature in K: %v %%, %v °C, %v; want 80, the usual 25, uncertain", rh, celsius, q)
	}
	put("temperature", "°C", -10)
	if rh, celsius, q := o.air(latest); rh != 80 || celsius != -10 || q != drivers.Good {
		t.Errorf("%v %%, %v °C, %v", rh, celsius, q)
	}
	// SGP40 data sheet table 11: 50 % is 0x8000, 25 °C is 0x6666.
	if a, b := sgp4xTicks(50, 100), sgp4xTicks(25+45, 175); a != 0x8000 || b != 0x6666 {
		t.Errorf("ticks %04x %04x, want 8000 6666", a, b)
	}
}

// A sensor of humidity is heated for so many seconds, its heater is off when the command is
// done, also when that was cancelled, and nothing is published until it has cooled.
func TestHeatersDryTheSensor(t *testing.T) {
	for name, s := range map[string]i2ctest.Suite{
		"sht3x":   {Driver: SHT3x, Address: 0x44, Chip: func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) }},
		"sht4x":   {Driver: SHT4x, Address: 0x44, Chip: func() i2ctest.Chip { return i2ctest.NewSHT4x(0x6666, 0x8000) }},
		"hdc1080": {Driver: HDC1080, Address: 0x40, Chip: func() i2ctest.Chip { return i2ctest.NewHDC1080(0x6666, 0x8000) }},
		"hdc302x": {Driver: HDC302x, Address: 0x44, Chip: func() i2ctest.Chip { return i2ctest.NewHDC302x(0x6666, 0x8000) }},
		"htu21d":  {Driver: HTU21D, Address: 0x40, Chip: func() i2ctest.Chip { return i2ctest.NewHTU21(0x68ac, 0x72b0) }},
		"si7021":  {Driver: SI7021, Address: 0x40, Chip: func() i2ctest.Chip { return i2ctest.NewHTU21(0x68ac, 0x72b0) }},
		"sht21":   {Driver: SHT21, Address: 0x40, Chip: func() i2ctest.Chip { return i2ctest.NewHTU21(0x68ac, 0x72b0) }},
	} {
		s.Every = 10 * time.Second
		off := func(c i2ctest.Chip) bool {
			if h, ok := c.(*i2ctest.HDC1080); ok {
				return h.Reg[2]&0x2000 == 0
			}
			return !c.(*i2ctest.Measuring).Hot
		}
		commandable(t, s, func(t *testing.T, dev drivers.Poller, c i2ctest.Chip, send func(string, string) error) {
			for _, bad := range []string{"0", "6", "on"} {
				if err := send("heat", bad); !errors.Is(err, drivers.ErrRefused) {
					t.Errorf("%s: heat %s: %v, want it refused", name, bad, err)
				}
			}
			start := time.Now()
			if err := send("heat", "2.1"); err != nil || !off(c) {
				t.Errorf("%s: heated: %v, off afterwards: %v", name, err, off(c))
			}
			if took := time.Since(start); took < 2100*time.Millisecond || took > 3*time.Second {
				t.Errorf("%s: heated for %v, want 2.1 s", name, took)
			}
			if m, ok := c.(*i2ctest.Measuring); ok && name == "sht4x" && m.Heated != 2100*time.Millisecond {
				t.Errorf("pulses of %v, want 2.1 s", m.Heated)
			} else if ok && name != "sht4x" && m.Heats != 1 {
				t.Errorf("%s: its heater was on %d times, want once", name, m.Heats)
			}
			time.Sleep(50 * time.Second)
			if rs, err := driverstest.Poll(t.Context(), dev); err != nil || len(rs) != 0 {
				t.Errorf("%s: while it is warm: %v, %v", name, rs, err)
			}
			time.Sleep(20 * time.Second)
			rs, err := driverstest.Poll(t.Context(), dev)
			driverstest.Check(t, name+" when it is cool", rs, err, map[string][]want{
				"sht3x": air(25, 50.0008), "sht4x": air(25, 56.501), "hdc1080": air(25.999, 50),
				"hdc302x": air(25, 50.0008), "htu21d": air(24.9974, 50), "si7021": air(24.9974, 50), "sht21": air(24.9974, 50),
			}[name])
		})
		c := s.Chip()
		onBus(t, s, c, func(t *testing.T, dev any, _ *i2ctest.Bus) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := dev.(drivers.Commander).Command(ctx, drivers.Command{Channel: "heat", Payload: []byte("5")}); err == nil || !off(c) {
				t.Errorf("%s: cancelled: %v, off: %v", name, err, off(c))
			}
		})
	}
}

// A circuit is calibrated by command. Sent is what Atlas's data sheets have for it.
func TestEZOIsCalibratedByCommand(t *testing.T) {
	for _, c := range []struct {
		circuit, name string
		sent          []string // payload, what the circuit has afterwards
		refused       []string
	}{
		{"ph", "pH", []string{"low 4", ",low,4", "mid 7.00", ",mid,7", "low 4.01", ",mid,7 ,low,4.01", "high,10", ",mid,7 ,low,4.01 ,high,10", "clear", ""}, []string{"7", "mid", "mid 4", "low NaN", "high 1e9", "air", "", "mid 7 7"}},
		{"orp", "ORP", []string{"225", ",225", "-100.5", ",225 ,-100.5"}, []string{"mid 225", "5000"}},
		{"do", "D.O.", []string{"air", "", "zero", " ,0"}, []string{"0", "zero 0"}},
		{"ec", "EC", []string{"dry", ",dry", "1413", ",dry ,1413", "low 12880", ",dry ,1413 ,low,12880"}, []string{"dry 0", "high"}},
		{"rtd", "RTD", []string{"100", ",100"}, []string{"-300"}},
	} {
		s := suite(EZO, 0x63, func(o *ezoOptions) { o.Circuit = c.circuit })
		s.Chip = func() i2ctest.Chip { return &i2ctest.EZO{Name: c.name, Value: "7"} }
		commandable(t, s, func(t *testing.T, dev drivers.Poller, chip i2ctest.Chip, send func(string, string) error) {
			ezo := chip.(*i2ctest.EZO)
			for i := 0; i < len(c.sent); i += 2 {
				if err := send("calibrate", c.sent[i]); err != nil || strings.Join(ezo.Calibrated, " ") != c.sent[i+1] {
					t.Errorf("%s: %q: %v, the circuit has %q, want %q", c.name, c.sent[i], err, ezo.Calibrated, c.sent[i+1])
				}
			}
			before := len(ezo.Said)
			for _, payload := range c.refused {
				if err := send("calibrate", payload); !errors.Is(err, drivers.ErrRefused) {
					t.Errorf("%s: %q: %v, want it refused", c.name, payload, err)
				}
			}
			if len(ezo.Said) != before {
				t.Errorf("%s: the circuit heard %q", c.name, ezo.Said[before:])
			}
			if rs, err := driverstest.Poll(t.Context(), dev); err != nil || len(rs) != 1 {
				t.Errorf("%s: afterwards: %v, %v", c.name, rs, err)
			}
			for _, usual := range ezoCalibrated(c.circuit).Values {
				if _, err := ezoCalibration(c.circuit, usual); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			}
		})
	}
}
