package i2c

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
)

// clearOptions are those of a bus that is freed when it hangs.
type clearOptions struct {
	Bus string `toml:"bus" required:"true" example:"\"1\"" doc:"The bus that is freed: its number, or its adapter's name."`
	SCL string `toml:"scl" required:"true" example:"\"GPIO17\"" doc:"GPIO line that is wired to the clock of the bus, beside the adapter's own pin: \"GPIO17\"."`
	SDA string `toml:"sda" example:"\"GPIO27\"" doc:"GPIO line that is wired to the data line; with it is seen whether a chip holds it, and whether the pulses helped."`
}

// adapterPins are the lines of a Raspberry Pi that bus 1 itself is on. Taken as GPIO they
// leave the adapter, until its kernel driver is started again.
var adapterPins = []string{"SDA1", "SCL1", "GPIO2", "GPIO3", "P1_3", "P1_5"}

// Check implements drivers.Checker.
func (o *clearOptions) Check() error {
	if o.SCL == o.SDA {
		return &drivers.KeyError{Key: "sda", Problem: "found the line of scl", Expected: "another line, or none"}
	}
	for key, line := range map[string]string{"scl": o.SCL, "sda": o.SDA} {
		if o.Bus == "1" && slices.Contains(adapterPins, strings.ToUpper(line)) {
			return &drivers.KeyError{Key: key, Problem: fmt.Sprintf("%s is the adapter's own pin, which stops working for it when it is taken", line),
				Expected: "a free GPIO line that is wired to the same wire"}
		}
	}
	return nil
}

// Claims implements drivers.Claimer.
func (o *clearOptions) Claims() []drivers.Claim {
	all := []drivers.Claim{{Kind: "i2c-clear", ID: o.Bus, Key: "bus"}, {Kind: "gpio", ID: o.SCL, Key: "scl"}}
	if o.SDA != "" {
		all = append(all, drivers.Claim{Kind: "gpio", ID: o.SDA, Key: "sda"})
	}
	return all
}

// Outputs implements drivers.Outputter.
func (o *clearOptions) Outputs() []drivers.Channel {
	all := []drivers.Channel{{Name: "freed", Kind: drivers.Total}, adapter.Pressed("free")}
	if o.SDA != "" {
		all = append(all, drivers.Channel{Name: "held", Kind: drivers.State, Values: drivers.Booleans()})
	}
	return all
}

// clearDriver frees a bus that a chip holds.
func clearDriver(b *Buses) drivers.Driver {
	return drivers.Driver{
		Name:    "i2c-bus",
		Summary: "frees an I2C bus that a chip holds, by clock pulses of a GPIO line that is wired to it",
		Every:   10 * time.Second,
		Options: func() any { return &clearOptions{} },
		Open: func(_ context.Context, c drivers.DeviceConfig) (any, error) {
			o := c.Options.(*clearOptions)
			clearing, err := b.OpenClear(c.Device, o.Bus, o.SCL, o.SDA)
			if err != nil {
				return nil, err
			}
			return &freeable{clearing, o.SDA != ""}, nil
		},
	}
}

// freeable is the device.
type freeable struct {
	*bus.Clearing
	sees bool // whether the data line is held
}

var (
	_ drivers.Poller    = (*freeable)(nil)
	_ drivers.Commander = (*freeable)(nil)
	_ io.Closer         = (*freeable)(nil)
)

// Poll implements drivers.Poller.
func (c *freeable) Poll(ctx context.Context) ([]drivers.Reading, error) {
	now := time.Now()
	rs := []drivers.Reading{{Channel: "freed", Value: drivers.Number(float64(c.Freed())), Time: now}}
	if !c.sees {
		return rs, nil
	}
	held, err := c.Held(ctx)
	if err != nil {
		return nil, err
	}
	return append(rs, drivers.Reading{Channel: "held", Value: drivers.Bool(held), Time: now}), nil
}

// Command implements drivers.Commander.
func (c *freeable) Command(ctx context.Context, cmd drivers.Command) error {
	if cmd.Channel != "free" {
		return fmt.Errorf("%s: %w (try: free)", cmd.Channel, drivers.ErrNoCommands)
	}
	return adapter.On(c.Free)(ctx, cmd)
}
