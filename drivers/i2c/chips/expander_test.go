package chips

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/driverstest/i2cmodel"
	"sensorgate/drivers/i2c/bus"
)

func TestExpanders(t *testing.T) {
	for _, c := range []struct {
		driver func(*bus.Buses) drivers.Driver
		chip   func() driverstest.I2CChip
		pins   [3]string // door, pump, valve
	}{
		{MCP23017, func() driverstest.I2CChip { return i2cmodel.NewMCP23017(0xfffe) }, [3]string{"A0", "B7", "A1"}},
		{PCA9535, func() driverstest.I2CChip { return i2cmodel.NewPCA9535(0xfffe) }, [3]string{"P00", "P17", "P01"}},
		{PCF8574, func() driverstest.I2CChip { return powered(&i2cmodel.PCF{Ports: 1, Low: 1}) }, [3]string{"P0", "P7", "P1"}},
		{PCF8575, func() driverstest.I2CChip { return powered(&i2cmodel.PCF{Ports: 2, Low: 1}) }, [3]string{"P00", "P17", "P01"}},
	} {
		e := sit[*At](c.driver, 0x20, nil)
		e.Chip = c.chip
		site := e.Config
		e.Config = func(d drivers.Driver) drivers.DeviceConfig {
			s := site(d)
			for i, o := range []pinOptions{
				{Active: "low", Start: "off"},             // an input that is pulled low
				{Out: true, Active: "high", Start: "off"}, // a relay
				{Out: true, Active: "low", Start: "on"},   // a valve that is open when low
			} {
				ch := d.ChannelOptions().(*pinOptions)
				ch.Pin, ch.Out, ch.Active, ch.Start = c.pins[i], o.Out, o.Active, o.Start
				if err := ch.Check(); err != nil {
					t.Fatal(err)
				}
				s.Channels = append(s.Channels, drivers.ChannelConfig{Name: []string{"door", "pump", "valve"}[i], Options: ch})
			}
			return s
		}
		e.Want = []want{w("door", 1, 0), w("pump", 0, 0), w("valve", 1, 0)}
		t.Run(c.pins[1], func(t *testing.T) {
			e.Run(t)
			t.Run("orders", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { expanderOrders(t, e) }) })
		})
	}
}

func powered(c *i2cmodel.PCF) driverstest.I2CChip {
	c.PowerOn()
	return c
}

// expanderOrders switches outputs, resets the chip behind the driver's back, and closes.
func expanderOrders(t *testing.T, e driverstest.I2CExam) {
	fake := driverstest.NewI2CBus()
	chip := e.Chip()
	fake.Attach(e.Address, chip)
	d, run := e.Driver(fake)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	dev, err := d.Open(ctx, e.Config(d))
	if err != nil {
		t.Fatal(err)
	}
	order := func(channel, payload string) error {
		return dev.(drivers.Commander).Command(ctx, drivers.Command{Channel: channel, Payload: []byte(payload)})
	}
	states := func(when string, pump, valve float64) {
		t.Helper()
		rs, err := dev.(drivers.Poller).Poll(ctx)
		driverstest.Check(t, when, rs, err, []want{w("door", 1, 0), w("pump", pump, 0), w("valve", valve, 0)})
	}
	states("opened", 0, 1)
	if err := order("pump", "on"); err != nil {
		t.Errorf("pump on: %v", err)
	}
	states("pump on", 1, 1)
	if err := order("valve", "off"); err != nil {
		t.Errorf("valve off: %v", err)
	}
	states("valve off", 1, 0)
	if err := order("pump", "sideways"); !errors.Is(err, drivers.ErrRefused) {
		t.Errorf("pump sideways: %v, want refused", err)
	}
	if err := order("door", "on"); !errors.Is(err, drivers.ErrNoCommands) {
		t.Errorf("an order to an input: %v", err)
	}
	states("after refusals", 1, 0)

	if err := order("valve", "on"); err != nil { // low: what a reset changes on every chip
		t.Errorf("valve on: %v", err)
	}
	fake.With(chip.PowerOn)
	if err := order("pump", "off"); err == nil {
		t.Error("an order to a chip that was reset was called done")
	}
	states("after the reset, at its start", 0, 1)

	if err := order("pump", "on"); err != nil {
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
	cancel()
	<-ended
}
