package chips

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

// A transfer that fails while a conversion is waited for is reported as what it is, not as a
// chip that was reset.
func TestOPT3001ThatDoesNotAnswerIsNotReset(t *testing.T) {
	s := i2ctest.Suite{Driver: OPT3001, Address: 0x44, Every: time.Second}
	onBus(t, s, i2ctest.NewOPT3001(0x3456), func(t *testing.T, dev any, b *i2ctest.Bus) {
		b.Hook(func(n int) {
			b.Fail(map[int]syscall.Errno{1: syscall.EREMOTEIO}[n])
		})
		rs, err := driverstest.Poll(t.Context(), dev.(drivers.Poller))
		driverstest.WantError(t, "flags", rs, err, "no answer")
	})
}

// Redox and temperature are not compensated for that of the water, so that they lack it
// makes them no worse.
func TestEZOCircuitsThatNeedNoWaterAreCertain(t *testing.T) {
	for circuit, name := range map[string]string{"orp": "ORP", "rtd": "RTD", "ph": "pH"} {
		s := i2ctest.Suite{Driver: EZO, Address: 0x62, Every: time.Second, Configure: func(_ drivers.Driver, c *drivers.DeviceConfig) {
			c.Options.(*ezoOptions).Circuit, c.Options.(*ezoOptions).WaterFrom = circuit, "pond/temperature"
			c.Latest = &drivers.Latest{}
		}}
		chip := &i2ctest.EZO{Name: name, Value: "7"}
		onBus(t, s, chip, func(t *testing.T, dev any, _ *i2ctest.Bus) {
			rs, err := driverstest.Poll(t.Context(), dev.(drivers.Poller))
			if err != nil || len(rs) != 1 || (rs[0].Quality == drivers.Good) != (circuit != "ph") {
				t.Errorf("%s: %+v, %v", circuit, rs, err)
			}
			if got := strings.Contains(strings.Join(chip.Said, " "), "T,"); got != (circuit == "ph") {
				t.Errorf("%s heard %q", circuit, chip.Said)
			}
		})
	}
}

// Without irq the interrupt registers are another's business: reading them cost a transfer
// each time, and writing them what somebody else had set.
func TestExpanderWithoutIRQLeavesInterruptRegistersAlone(t *testing.T) {
	for name, reg := range map[string]byte{"mcp23017": 0x04, "mcp23008": 0x02} {
		s := expanderSuite(t, name)
		s.Every = time.Second
		c := s.Chip()
		var regs *i2ctest.Registers
		switch c := c.(type) {
		case *i2ctest.MCP23017:
			regs = &c.Registers
		case *i2ctest.Expander8:
			regs = &c.Registers
		}
		regs.Reg[reg] = 0x5a
		onBus(t, s, c, func(t *testing.T, dev any, _ *i2ctest.Bus) {
			if rs, err := driverstest.Poll(t.Context(), dev.(drivers.Poller)); err != nil || len(rs) != 3 {
				t.Errorf("%s: %v, %v", name, rs, err)
			}
			if regs.Reg[reg] != 0x5a {
				t.Errorf("%s: register %#02x is %#02x", name, reg, regs.Reg[reg])
			}
		})
	}
}

// A pressure that was commanded is the one that the chip has: the same from another device
// is not written again, as it starts the interval anew.
func TestSCD30KnowsTheCommandedPressure(t *testing.T) {
	latest := &drivers.Latest{}
	s := i2ctest.Suite{Driver: SCD30, Address: 0x61, Every: time.Second, Configure: func(_ drivers.Driver, c *drivers.DeviceConfig) {
		c.Options.(*scd30Options).PressureFrom = "attic/pressure"
		c.Latest = latest
	}}
	starts := 0
	c := i2ctest.NewSCD30(0x43db, 0x8c2e, 0x41d9, 0xe7ff, 0x4243, 0x3a1b)
	do := c.Do
	c.Do = func(cmd uint16, args []uint16) ([]uint16, time.Duration, bool) {
		if cmd == 0x0010 && args[0] == 950 {
			starts++
		}
		return do(cmd, args)
	}
	onBus(t, s, c, func(t *testing.T, dev any, _ *i2ctest.Bus) {
		time.Sleep(3 * time.Second)
		if _, err := driverstest.Poll(t.Context(), dev.(drivers.Poller)); err != nil { // from now on the channel is followed
			t.Error(err)
		}
		if err := dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "pressure", Payload: []byte("95000")}); err != nil {
			t.Fatal(err)
		}
		latest.Put("attic", drivers.Reading{Channel: "pressure", Unit: "hPa", Value: drivers.Number(950), Time: time.Now()})
		time.Sleep(3 * time.Second)
		if _, err := driverstest.Poll(t.Context(), dev.(drivers.Poller)); err != nil {
			t.Error(err)
		}
		if starts != 1 {
			t.Errorf("written %d times, want once", starts)
		}
	})
}
