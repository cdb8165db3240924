package chips

import (
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// Matalon's ADS1110: 16 counts a mV with 15 samples a second, times the gain.
func TestADS1110(t *testing.T) {
	e := withChannels(t, suite[*chip.I2COptions](ADS1110, 0x48, nil), func(d drivers.Driver) (all []drivers.ChannelConfig) {
		for name, gain := range map[string]int{"level": 1, "shunt": 8} {
			o := d.ChannelOptions().(*mcp342xInput)
			if o.Gain = gain; o.Check() != nil {
				t.Error(o.Check())
			}
			all = append(all, drivers.ChannelConfig{Name: name, Options: o})
		}
		return all
	})
	e.Chip = func() i2ctest.Chip {
		c := &i2ctest.MCP342x{ADS: true, Code: map[byte]int32{0: 20000, 3: -800}}
		c.PowerOn()
		return c
	}
	e.Want = []want{w("level", 1.25, 1e-9), w("shunt", -0.00625, 1e-9)}
	e.States = []i2ctest.State{{Name: "beyond", Want: []want{w("shunt", -0.00625, 1e-9)}, Err: "level: the voltage is beyond",
		Set: func(c i2ctest.Chip) { c.(*i2ctest.MCP342x).Code[0] = 32767 }}}
	e.Run(t)
	if o := (&mcp342xInput{Input: 2, Gain: 1, inputs: 1}); o.Check() == nil {
		t.Error("a second input is accepted")
	}
}

// The kernel's ti-ads1119.c: 2.048 V of 2^15, divided by the gain.
func TestADS1119(t *testing.T) {
	input := func(d drivers.Driver, name, in string, gain int) drivers.ChannelConfig {
		o := d.ChannelOptions().(*ads1119Input)
		o.Input, o.Gain = in, gain
		if err := o.Check(); err != nil {
			t.Error(err)
		}
		return drivers.ChannelConfig{Name: name, Options: o}
	}
	e := withChannels(t, suite[*chip.I2COptions](ADS1119, 0x40, nil), func(d drivers.Driver) []drivers.ChannelConfig {
		return []drivers.ChannelConfig{input(d, "level", "A0", 1), input(d, "bridge", "A0-A1", 4)}
	})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewADS1119(map[byte]int16{0x60: 16000, 0x10: -3200}) }
	e.Want = []want{w("level", 1, 1e-9), w("bridge", -0.05, 1e-9)}
	e.States = []i2ctest.State{{Name: "beyond", Want: []want{w("bridge", -0.05, 1e-9)}, Err: "level: the voltage is beyond",
		Set: func(c i2ctest.Chip) { c.(*i2ctest.ADS1119).Code[0x60] = 0x7fff }}}
	e.Run(t)
	for _, o := range []ads1119Input{{Input: "A4", Gain: 1}, {Input: "A0", Gain: 2}} {
		if o.Check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
