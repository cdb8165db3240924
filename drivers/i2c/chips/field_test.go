package chips

import (
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// What the field reported, one test each, named after what a user saw. The conformance
// suite's part "left by another program" has the whole kind; these are the very states.

// left runs what a driver makes of a chip to which another program has written these.
func left(t *testing.T, s i2ctest.Suite, written ...[]byte) {
	t.Helper()
	s.States = []i2ctest.State{{Name: "left", Want: s.Want, Set: func(c i2ctest.Chip) {
		for _, b := range written {
			_ = c.Write(b) // a chip that goes to sleep acknowledges nothing
		}
	}}}
	s.RunStates(t)
}

// frozen is a thermometer with yesterday's temperature, a degree more, in its register.
func frozen(c *i2ctest.Thermometer, reg byte) i2ctest.Chip {
	c.Reg[reg] = c.Raw + 0x0100
	return c
}

func TestThermometersLeftShutDownDoNotShowYesterdaysTemperature(t *testing.T) {
	for name, c := range map[string]struct {
		driver func(*bus.Buses) drivers.Driver
		chip   func() i2ctest.Chip
		off    []byte
	}{
		"mcp9808": {MCP9808, func() i2ctest.Chip { return frozen(i2ctest.NewMCP9808(0x0190), 5) }, []byte{0x01, 0x01, 0x00}},
		"lm75":    {LM75, func() i2ctest.Chip { return frozen(i2ctest.NewLM75(0x1900), 0) }, []byte{0x01, 0x01}},
		"tmp75":   {TMP75, func() i2ctest.Chip { return frozen(i2ctest.NewTMP75(0x1900), 0) }, []byte{0x01, 0x01}},
		"adt7410": {ADT7410, func() i2ctest.Chip { return i2ctest.NewADT7410(0x0c80) }, []byte{0x03, 0x60}},
		"tmp117":  {TMP117, func() i2ctest.Chip { return i2ctest.NewTMP117(0x0c80) }, []byte{0x01, 0x04, 0x00}},
		"tmp102":  {TMP102, func() i2ctest.Chip { return i2ctest.NewTMP102(0x1900) }, []byte{0x01, 0x61, 0xa0}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := uint16(0x48)
			if name == "mcp9808" {
				addr = 0x18
			}
			left(t, i2ctest.Suite{Driver: c.driver, Address: addr, Chip: c.chip, Want: celsius(25)}, c.off)
		})
	}
}

// The limits of an MCP9808 that another program has locked serve as our mark as well.
func TestMCP9808WithLockedLimitsIsRead(t *testing.T) {
	s := i2ctest.Suite{Driver: MCP9808, Address: 0x18, Chip: func() i2ctest.Chip { return i2ctest.NewMCP9808(0x0190) }, Want: celsius(25)}
	left(t, s, []byte{0x04, 0x05, 0x00}, []byte{0x01, 0x01, 0x80})
}

func TestMCP23017WithInvertedInputsShowsTheDoorAsItIs(t *testing.T) {
	left(t, expanderSuite(t, "mcp23017"), []byte{0x02, 0xff, 0xff})
}

// In the other register map a relay was never driven, and no error said so.
func TestMCP23017LeftInBank1DrivesItsRelay(t *testing.T) {
	s := expanderSuite(t, "mcp23017")
	s.Configure = expanderPins(t, [3]string{"A0", "B7", "A1"}, "on").Configure
	s.Want = []want{w("door", 1, 0), w("pump", 1, 0), w("valve", 1, 0)}
	left(t, s, []byte{0x0a, 0x80})
	left(t, s, []byte{0x0a, 0xa0}) // and with the pointer that stays
}

func TestPCA9535WithInvertedInputsShowsTheDoorAsItIs(t *testing.T) {
	left(t, expanderSuite(t, "pca9535"), []byte{0x04, 0x01, 0x00})
}

// The very bytes of the report: -18.9 °C are right, 0 % is not.
func TestAHT10WithABrokenHumiditySensorHasNoHumidity(t *testing.T) {
	for _, c := range []struct {
		driver func(*bus.Buses) drivers.Driver
		chip   i2ctest.Chip
	}{
		{AHT10, i2ctest.NewAHT(0xe1, false, aht5(t, "00 00 02 7c f0"))},
		{AHT20, i2ctest.NewAHT(0xbe, true, aht5(t, "00 00 02 7c f0"))},
	} {
		s := i2ctest.Suite{Driver: c.driver, Address: 0x38, Chip: func() i2ctest.Chip { return c.chip }}
		s.States = []i2ctest.State{{Name: "18 00 00 02 7c f0", Set: func(i2ctest.Chip) {},
			Want: []want{w("temperature", -18.9, 0.01)}, Err: "humidity: reads 0 %"}}
		s.RunStates(t)
	}
}

func TestHumidityOfExactlyNothingIsNoHumidity(t *testing.T) {
	temperature := []want{w("temperature", 25, 0.01)}
	for name, s := range map[string]i2ctest.Suite{
		"hdc1080": {Driver: HDC1080, Address: 0x40, Chip: func() i2ctest.Chip { return i2ctest.NewHDC1080(0x64da, 0) }},
		"am2320":  {Driver: AM2320, Address: 0x5c, Chip: func() i2ctest.Chip { return &i2ctest.AM2320{RH: 0, T: 250} }},
	} {
		s.States = []i2ctest.State{{Name: name, Set: func(i2ctest.Chip) {}, Want: temperature, Err: "humidity: reads 0 %"}}
		s.RunStates(t)
	}
}

func TestHDC1008AtAnAddressThatOnlyItHas(t *testing.T) {
	s := i2ctest.Suite{Driver: HDC1080, Address: 0x41, Want: air(26, 50), Chip: func() i2ctest.Chip {
		c := i2ctest.NewHDC1080(0x6666, 0x8000)
		c.ID = 0x1000
		c.PowerOn()
		return c
	}}
	s.Want[0].Within = 0.01
	s.Run(t)
}

func TestSensorsLeftAsleepOrPeriodicAnswerWithoutAPowerCycle(t *testing.T) {
	sht := i2ctest.Suite{Driver: SHT3x, Address: 0x44, Want: air(25, 50.0008), Chip: func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) }}
	t.Run("sht3x periodic", func(t *testing.T) { left(t, sht, []byte{0x21, 0x30}) })
	t.Run("sht3x heating", func(t *testing.T) { left(t, sht, []byte{0x30, 0x6d}) })
	hdc := i2ctest.Suite{Driver: HDC302x, Address: 0x44, Want: air(25, 50.0008), Chip: func() i2ctest.Chip { return i2ctest.NewHDC302x(0x6666, 0x8000) }}
	t.Run("hdc302x automatic", func(t *testing.T) { left(t, hdc, []byte{0x21, 0x30}) })
	t.Run("htu21d heating", func(t *testing.T) {
		htu := i2ctest.Suite{Driver: HTU21D, Address: 0x40, Want: air(24.9974, 50), Chip: func() i2ctest.Chip { return i2ctest.NewHTU21(0x68ac, 0x72b0) }}
		left(t, htu, []byte{0xe6, 0x06})
	})
	scd := i2ctest.Suite{Driver: SCD4x, Address: 0x62, Every: 6 * time.Second, Warmup: 4, Want: co2(500, 25.0027, 50.0008),
		Chip: func() i2ctest.Chip { return i2ctest.NewSCD4x(500, 0x6667, 0x8000) }}
	t.Run("scd4x asleep", func(t *testing.T) { left(t, scd, []byte{0x36, 0xe0}) })
	t.Run("scd4x every 30 s", func(t *testing.T) { left(t, scd, []byte{0x21, 0xac}) })
	sps := i2ctest.Suite{Driver: SPS30, Address: 0x69, Every: 2 * time.Second, Warmup: 4,
		Chip: func() i2ctest.Chip { return i2ctest.NewSPS30(words32(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)...) }}
	for _, name := range []string{"pm1_0", "pm2_5", "pm4_0", "pm10", "nc0_5", "nc1_0", "nc2_5", "nc4_0", "nc10", "size"} {
		sps.Want = append(sps.Want, w(name, 1, 0))
	}
	t.Run("sps30 asleep", func(t *testing.T) { left(t, sps, []byte{0x10, 0x01}) })
	t.Run("sps30 whole numbers", func(t *testing.T) { left(t, sps, []byte{0x00, 0x10, 0x05, 0x00, i2ctest.CRC8(0xff, 0x05, 0x00)}) })
}

// Without a baseline in the store the first twelve hours' are not worth keeping: they come
// from air that nobody knows to be clean. SGP30 data sheet section 3.9.
func TestSGP30NewChipKeepsNoBaselineOfItsFirstTwelveHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := suite[*chip.I2COptions](SGP30, 0x58, nil)
		fake := i2ctest.NewBus()
		fake.Attach(0x58, i2ctest.NewSGP30(650, 120))
		buses, ctx, end := i2ctest.Start(t, fake)
		defer end()
		d, config := s.Device(t, buses)
		dev, err := d.Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			wait time.Duration
			kept bool
		}{{time.Minute, false}, {90 * time.Minute, false}, {10 * time.Hour, false}, {time.Hour, true}} {
			time.Sleep(step.wait)
			if rs, err := driverstest.Poll(ctx, dev.(drivers.Poller)); err != nil || len(rs) != 2 {
				t.Errorf("%v, %v", rs, err)
			}
			if _, kept := config.Store.Load("baseline"); kept != step.kept {
				t.Errorf("after %v more a baseline is kept: %v, want %v", step.wait, kept, step.kept)
			}
		}
	})
}

func TestVL53L1XResultsThatAreValidAreReadings(t *testing.T) {
	s := suite[*chip.I2COptions](VL53L1X, 0x29, nil)
	s.Chip = func() i2ctest.Chip { return i2ctest.NewVL53L1X(2345) }
	status := func(mm uint16, status byte) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.VL53L1X).Millimetres, c.(*i2ctest.VL53L1X).Status = mm, status }
	}
	s.States = []i2ctest.State{
		{Name: "nearer than the shortest (8)", Set: status(20, 8), Want: target(0.02)},
		{Name: "wrap not checked (19)", Set: status(1500, 19), Want: target(1.5)},
		{Name: "wrapped around is seen, as the second result is taken", Set: status(300, 7), Want: noTarget},
	}
	s.RunStates(t)
}

func TestAS3935SaysWhenItsOscillatorsCannotBeCalibrated(t *testing.T) {
	s := suite(AS3935, 0x03, func(*as3935Options) {})
	s.Chip = func() i2ctest.Chip { return i2ctest.NewAS3935() }
	s.States = []i2ctest.State{
		{Name: "both halves are done", Want: []want{}, Set: func(i2ctest.Chip) {}},
		{Name: "deaf", Err: "calibration of its oscillator TRCO failed", Set: func(c i2ctest.Chip) { c.(*i2ctest.AS3935).Deaf = true }},
	}
	s.RunStates(t)
}

func TestMPU6050CopyIsRead(t *testing.T) {
	s := suite(MPU6050, 0x68, func(*motionOptions) {})
	s.Chip = func() i2ctest.Chip {
		c := i2ctest.NewMPU6050(0, 2048, -2110)
		c.ID = 0x98
		c.PowerOn()
		return c
	}
	s.Want = []want{w("rms", 0, 1e-9), w("peak", 0, 1e-9), w("x", 0, 0), w("y", 0, 0), w("z", gravity, 1e-9), w("temperature", 30.32, 0.01)}
	s.Run(t)
}

// An RTD circuit that was set to Kelvin or Fahrenheit read 293 °C for 20; one for
// conductivity that was set to dissolved solids read half.
func TestEZOCircuitsAnswerInOurUnits(t *testing.T) {
	for _, c := range []struct {
		circuit, name, channel string
		value                  float64
		written                []string
	}{
		{"rtd", "RTD", "temperature", 20, []string{"S,k"}}, {"rtd", "RTD", "temperature", 20, []string{"S,f"}},
		{"ec", "EC", "conductivity", 1413, []string{"O,EC,0"}}, {"do", "D.O.", "oxygen", 8, []string{"O,mg,0"}},
		{"ph", "pH", "ph", 7, []string{"Sleep"}},
	} {
		s := suite(EZO, 0x66, func(o *ezoOptions) { o.Circuit = c.circuit })
		s.Chip = func() i2ctest.Chip {
			return &i2ctest.EZO{Name: c.name, Value: drivers.Number(c.value).String()}
		}
		s.Want = []want{w(c.channel, c.value, 0.01)}
		s.Every = 5 * time.Second
		s.Run(t)
		for _, cmd := range c.written {
			left(t, s, []byte(cmd))
		}
	}
}

// Gas that never comes was silence without a reason.
func TestBME680SaysWhyThereIsNoGas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := suite(BME680, 0x77, func(*bme680Options) {})
		cold := bme680Model(bme680Raw(380000, 500000, 22000), 500, 5)
		cold.HeaterUnsteady = true
		fake := i2ctest.NewBus()
		fake.Attach(0x77, cold)
		buses, ctx, end := i2ctest.Start(t, fake)
		defer end()
		d, config := s.Device(t, buses)
		dev, err := d.Open(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			rs, err := driverstest.Poll(ctx, dev.(drivers.Poller))
			if len(rs) != 3 {
				t.Errorf("poll %d: %v, want temperature, pressure and humidity", i, rs)
			}
			if i >= bme6Warmup-1 {
				driverstest.WantError(t, "no gas", nil, err, "gas: its heater does not reach")
			}
		}
		fake.With(func() { cold.HeaterUnsteady = false })
		if rs, err := driverstest.Poll(ctx, dev.(drivers.Poller)); err != nil || len(rs) != 4 {
			t.Errorf("hot again: %v, %v", rs, err)
		}
	})
}
