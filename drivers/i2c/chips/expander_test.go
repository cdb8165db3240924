package chips

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// expanders are the chips, and the pins of door, pump and valve.
var expanders = map[string]struct {
	driver func(*bus.Buses) drivers.Driver
	chip   func() i2ctest.Chip
	pins   [3]string
}{
	"mcp23017": {MCP23017, func() i2ctest.Chip { return i2ctest.NewMCP23017(0xfffe) }, [3]string{"A0", "B7", "A1"}},
	"pca9535":  {PCA9535, func() i2ctest.Chip { return i2ctest.NewPCA9535(0xfffe) }, [3]string{"P00", "P17", "P01"}},
	"mcp23008": {MCP23008, func() i2ctest.Chip { return i2ctest.NewMCP23008(0xfe) }, [3]string{"GP0", "GP7", "GP1"}},
	"pca9554":  {PCA9554, func() i2ctest.Chip { return i2ctest.NewPCA9554(0xfe) }, [3]string{"P0", "P7", "P1"}},
	"pcf8574":  {PCF8574, func() i2ctest.Chip { return powered(&i2ctest.PCF{Ports: 1, Low: 1}) }, [3]string{"P0", "P7", "P1"}},
	"pcf8575":  {PCF8575, func() i2ctest.Chip { return powered(&i2ctest.PCF{Ports: 2, Low: 1}) }, [3]string{"P00", "P17", "P01"}},
}

// expanderSuite has a door that is pulled low, a relay for a pump, and a valve.
func expanderSuite(t *testing.T, name string) i2ctest.Suite {
	c := expanders[name]
	s := expanderPins(t, c.pins, "off")
	s.Driver, s.Chip, s.Address = c.driver, c.chip, 0x20
	s.Want = []want{w("door", 1, 0), w("pump", 0, 0), w("valve", 1, 0)}
	return s
}

// expanderPins configures the three; the pump starts as pump says.
func expanderPins(t *testing.T, pins [3]string, pump string) i2ctest.Suite {
	return withChannels(t, suite[*chip.I2COptions](nil, 0x20, nil), func(d drivers.Driver) (channels []drivers.ChannelConfig) {
		for i, o := range []pinOptions{
			{Active: "low", Start: "off"},            // an input that is pulled low
			{Out: true, Active: "high", Start: pump}, // a relay
			{Out: true, Active: "low", Start: "on"},  // a valve that is open when low
		} {
			ch := d.ChannelOptions().(*pinOptions)
			ch.Pin, ch.Out, ch.Active, ch.Start = pins[i], o.Out, o.Active, o.Start
			if err := ch.Check(); err != nil {
				t.Fatal(err)
			}
			channels = append(channels, drivers.ChannelConfig{Name: []string{"door", "pump", "valve"}[i], Options: ch})
		}
		return channels
	})
}

func TestExpanders(t *testing.T) {
	for name := range expanders {
		t.Run(name, func(t *testing.T) {
			e := expanderSuite(t, name)
			e.Run(t)
			t.Run("commands", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { expanderCommands(t, e) }) })
		})
	}
}

func powered(c *i2ctest.PCF) i2ctest.Chip {
	c.PowerOn()
	return c
}

// expanderCommands switches outputs, resets the chip behind the driver's back, and closes.
func expanderCommands(t *testing.T, e i2ctest.Suite) {
	fake := i2ctest.NewBus()
	chip := e.Chip()
	fake.Attach(e.Address, chip)
	buses, ctx, end := i2ctest.Start(t, fake)
	defer end()
	d, config := e.Device(t, buses)
	dev, err := d.Open(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	command := func(channel, payload string) error {
		return dev.(drivers.Commander).Command(ctx, drivers.Command{Channel: channel, Payload: []byte(payload)})
	}
	states := func(when string, pump, valve float64) {
		t.Helper()
		rs, err := dev.(drivers.Poller).Poll(ctx)
		driverstest.Check(t, when, rs, err, []want{w("door", 1, 0), w("pump", pump, 0), w("valve", valve, 0)})
	}
	states("opened", 0, 1)
	if err := command("pump", "on"); err != nil {
		t.Errorf("pump on: %v", err)
	}
	states("pump on", 1, 1)
	if err := command("valve", "off"); err != nil {
		t.Errorf("valve off: %v", err)
	}
	states("valve off", 1, 0)
	if err := command("pump", "sideways"); !errors.Is(err, drivers.ErrRefused) {
		t.Errorf("pump sideways: %v, want refused", err)
	}
	if err := command("door", "on"); !errors.Is(err, drivers.ErrNoCommands) {
		t.Errorf("a command to an input: %v", err)
	}
	states("after refusals", 1, 0)

	if err := command("valve", "on"); err != nil { // low: what a reset changes on every chip
		t.Errorf("valve on: %v", err)
	}
	fake.With(chip.PowerOn)
	if err := command("pump", "off"); err == nil {
		t.Error("a command to a chip that was reset was called done")
	}
	states("after the reset, at its start", 0, 1)

	if err := command("pump", "on"); err != nil {
		t.Error(err)
	}
	if err := dev.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	type pinned interface{ Pins() uint16 }
	pins := chip.(pinned).Pins()
	if mask := uint16(0x8080); pins&mask == mask {
		t.Errorf("closed with pins %016b: the pump is on", pins)
	}
}
