package chips

import (
	"slices"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func load3(volts, amps float64) []want {
	return []want{w("voltage", volts, 1e-6), w("current", amps, 1e-6), w("power", volts*amps, 1e-5)}
}

func monitor(values map[byte]uint16) func(i2ctest.Chip) {
	return func(c i2ctest.Chip) {
		for r, v := range values {
			c.(*i2ctest.PowerMonitor).Values[r] = v
		}
	}
}

// volts is what remains of load3 where the current cannot be shown.
func volts(v float64) []want { return []want{w("voltage", v, 1e-6)} }

func otherDie(reg byte, id uint16) func(i2ctest.Chip) {
	return func(c i2ctest.Chip) { c.(*i2ctest.PowerMonitor).IDs[reg] = id }
}

// SBOS448 table "Calculating the INA219 example": 10 A over 2 mΩ.
func TestINA219(t *testing.T) {
	e := suite(INA219, 0x40, func(o *inaOptions) { o.Shunt = 0.002 })
	e.Chip = func() i2ctest.Chip { return i2ctest.NewINA219(0x07d0, 0x5d98) }
	v := load(t, "INA219-1")
	e.Want = load3(v.number(t, "voltage_V"), v.number(t, "current_A"))
	e.States = []i2ctest.State{
		{Name: "24 V", Set: monitor(map[byte]uint16{1: 0, 2: 0xbb82}), Want: load3(load(t, "INA219-3").number(t, "voltage_V"), 0)},
		{Name: "current the other way", Set: monitor(map[byte]uint16{1: 0xf830}), Want: load3(11.98, -10)},
		{Name: "beyond the shunt", Set: monitor(map[byte]uint16{1: 0x7d00}), Err: "beyond what this shunt", Want: volts(11.98)},
		{Name: "beyond the shunt, the other way", Set: monitor(map[byte]uint16{1: 0x8300}), Err: "beyond what this shunt", Want: volts(11.98)},
	}
	e.Run(t)
}

// SBOS547, register example: 10 A over 2 mΩ.
func TestINA226(t *testing.T) {
	e := suite(INA226, 0x41, func(o *inaOptions) { o.Shunt = 0.002 })
	e.Chip = func() i2ctest.Chip { return i2ctest.NewINA226(0x1f40, 0x2570) }
	v := load(t, "INA226-1")
	e.Want = load3(v.number(t, "voltage_V"), v.number(t, "current_A"))
	e.WrongChip, e.WrongID = otherDie(0xff, 0x2270), "ina260"
	e.States = []i2ctest.State{
		{Name: "current the other way", Set: monitor(map[byte]uint16{1: 0xe0c0}), Want: load3(11.98, -10)},
		{Name: "beyond the shunt", Set: monitor(map[byte]uint16{1: 0x7fff}), Err: "beyond what this shunt", Want: volts(11.98)},
	}
	e.Run(t)
}

func TestINA260(t *testing.T) {
	e := suite[*chip.I2COptions](INA260, 0x40, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewINA260(0x1f40, 0x2570) } // 8000 and 9584 steps of 1.25
	e.Want = load3(11.98, 10)
	e.WrongChip, e.WrongID = otherDie(0xff, 0x2260), "ina226"
	e.States = []i2ctest.State{
		{Name: "current the other way", Set: monitor(map[byte]uint16{1: 0xe0c0}), Want: load3(11.98, -10)},
		{Name: "beyond", Set: monitor(map[byte]uint16{1: 0x8000}), Err: "current: the current is beyond", Want: volts(11.98)},
	}
	e.Run(t)
}

func TestINA3221(t *testing.T) {
	e := suite(INA3221, 0x40, func(o *ina3221Options) { o.Shunt, o.Shunt2 = 0.1, 0.01 })
	// 40 µV and 8 mV a step from bit 3 on: 100 mV, 20 mV, -4 mV; 12 V, 5 V, 3.304 V.
	e.Chip = func() i2ctest.Chip {
		return i2ctest.NewINA3221(map[byte]uint16{1: 2500 << 3, 2: 1500 << 3, 3: 500 << 3, 4: 625 << 3, 5: 0xfce0, 6: 413 << 3})
	}
	e.Want = []want{
		w("voltage1", 12, 1e-6), w("current1", 1, 1e-6), w("power1", 12, 1e-6),
		w("voltage2", 5, 1e-6), w("current2", 2, 1e-6), w("power2", 10, 1e-6),
		w("voltage3", 3.304, 1e-6), w("current3", -0.04, 1e-6), w("power3", -0.13216, 1e-6),
	}
	e.WrongChip, e.WrongID = otherDie(0xff, 0x2260), "ina226"
	e.States = []i2ctest.State{
		{Name: "one shunt shows too much: the other readings come", Set: monitor(map[byte]uint16{3: 0x7ff8}),
			Err: "current2: the current is beyond what this shunt", Want: slices.Concat(e.Want[:4], e.Want[6:])},
		{Name: "a channel that is not connected reads -8 mV", Set: monitor(map[byte]uint16{5: 0, 6: 0xfff8}),
			Want: append(slices.Clone(e.Want[:6]), w("voltage3", -0.008, 1e-9), w("current3", 0, 0), w("power3", 0, 1e-9))},
		{Name: "a channel that is connected the wrong way", Set: monitor(map[byte]uint16{6: 0xff00}),
			Err: "voltage3: -0.256 is outside the plausible range", Want: append(slices.Clone(e.Want[:6]), e.Want[7])},
	}
	e.Run(t)
}

// Steps from SLYS021 table 7-1: 312.5 nV, 195.3125 µV, 7.8125 m°C.
func TestINA228(t *testing.T) {
	e := suite(INA228, 0x40, func(o *inaOptions) { o.Shunt = 0.002 })
	e.Chip = func() i2ctest.Chip { return i2ctest.NewINA228(64000, 61440, 0xf380) }
	e.Want = append(load3(12, 10), w("temperature", -25, 1e-9))
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.INA228).ID = 0x2381 }
	e.WrongID = "0x2381"
	set := func(shunt uint32) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.INA228).Shunt = shunt }
	}
	e.States = []i2ctest.State{
		{Name: "current the other way", Set: set(1<<20 - 64000), Want: append(load3(12, -10), w("temperature", -25, 1e-9))},
		{Name: "beyond the shunt", Set: set(0x80000), Err: "current: the current is beyond what this shunt", Want: []want{w("voltage", 12, 1e-6), w("temperature", -25, 1e-9)}},
	}
	e.Run(t)
}

// adsExam has two inputs with different voltages: what must never be mixed up.
func adsSuite(t *testing.T, name string) i2ctest.Suite {
	rates, step := []int{8, 16, 32, 64, 128, 250, 475, 860}, uint16(1)
	d := ADS1115
	if name == "ads1015" {
		rates, step = []int{128, 250, 490, 920, 1600, 2400, 3300}, 16
		d = ADS1015
	}
	codes := map[int]int16{4: 0x0fa0, 5: 0x4000, 0: -0x2000} // A0, A1, A0-A1
	e := suite(d, 0x48, func(o *adsOptions) {})
	e.Chip = func() i2ctest.Chip {
		return i2ctest.NewADS(rates, step, func(mux int) int16 { return codes[mux] })
	}
	e = describe(t, e, drivers.ChannelConfig{Name: "tank", Options: &adsInput{Input: "A0", Range: 4.096}},
		drivers.ChannelConfig{Name: "battery", Options: &adsInput{Input: "A1", Range: 2.048}},
		drivers.ChannelConfig{Name: "bridge", Options: &adsInput{Input: "A0-A1", Range: 0.256}})
	e.Want = []want{w("tank", 0.5, 1e-9), w("battery", 1.024, 1e-9), w("bridge", -0.064, 1e-9)}
	return e
}

func TestADS1115(t *testing.T) { adsSuite(t, "ads1115").Run(t) }

// The very settings that the chip has after power-on: a reset must be reported all the same.
func TestADS1115PowerOnSettings(t *testing.T) {
	e := adsSuite(t, "ads1115")
	e = describe(t, e, drivers.ChannelConfig{Name: "bridge", Options: &adsInput{Input: "A0-A1", Range: 2.048}})
	e.Want = []want{w("bridge", -0.512, 1e-9)}
	e.Run(t)
}

func TestADS1015(t *testing.T) { adsSuite(t, "ads1015").Run(t) }

// SBAS444 table 3; the ends mean that the voltage is beyond, which is an error and not
// the number that the table has for them.
func TestADS1115Codes(t *testing.T) {
	for _, c := range []struct {
		id   string
		span chip.Volt
		err  string
	}{
		{"ADS1115-1", 2.048, "beyond the range of ±2.048 V"}, {"ADS1115-3", 2.048, ""},
		{"ADS1115-5", 2.048, "beyond the range of ±2.048 V"}, {"ADS1115-7", 4.096, ""},
	} {
		v := load(t, c.id)
		b := v.bytes(t, "")
		e := adsSuite(t, "ads1115")
		e = describe(t, e, drivers.ChannelConfig{Name: "v", Options: &adsInput{Input: "A0", Range: c.span}})
		e.Chip = func() i2ctest.Chip {
			return i2ctest.NewADS([]int{8, 16, 32, 64, 128, 250, 475, 860}, 1, func(int) int16 { return int16(uint16(b[0])<<8 | uint16(b[1])) })
		}
		state := i2ctest.State{Name: c.id, Set: func(i2ctest.Chip) {}, Err: c.err}
		if c.err == "" {
			state.Want = []want{w("v", v.number(t, "voltage_V"), 1e-9)}
		}
		e.States = []i2ctest.State{state}
		e.RunStates(t)
	}
}

// One input out of its range costs the others nothing.
func TestADS1115OneInputBeyond(t *testing.T) {
	e := adsSuite(t, "ads1115")
	e.Chip = func() i2ctest.Chip {
		return i2ctest.NewADS([]int{8, 16, 32, 64, 128, 250, 475, 860}, 1, func(mux int) int16 {
			if mux == 4 {
				return 0x7fff
			}
			return 0x4000
		})
	}
	e.Partly(t, []want{w("battery", 1.024, 1e-9), w("bridge", 0.128, 1e-9)}, "tank: the voltage is beyond")
}

func TestQuantities(t *testing.T) {
	var o chip.Ohm
	for text, want := range map[string]float64{"0.1Ω": 0.1, "2 mohm": 0.002, "2mΩ": 0.002, "10R": 10, "0.1 ohm": 0.1, "1kΩ": 1000} {
		if err := o.UnmarshalText([]byte(text)); err != nil || float64(o) != want {
			t.Errorf("%q: %v, %v; want %v", text, float64(o), err, want)
		}
	}
	for _, text := range []string{"", "0.1", "0 ohm", "-1 ohm", "ohm", "0.1 V"} {
		if err := o.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %v Ω", text, float64(o))
		}
	}
	var v chip.Volt
	if err := v.UnmarshalText([]byte("256 mV")); err != nil || v != 0.256 {
		t.Errorf("256 mV: %v, %v", v, err)
	}
}
