package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// DS3231 is a clock that measures its crystal's temperature every 64 seconds. The
// kernel's rtc-ds1307 usually owns it; then hwmon has the temperature. Rev 10, figure 1.
func DS3231(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "ds3231",
		Summary:   "Maxim DS3231: temperature of the clock (with a kernel RTC driver: driver = \"hwmon\")",
		Addresses: []uint16{0x68},
		Every:     60 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85)},
		Options:   chip.NoOptions,
		Open: func(_ context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			return func(ctx context.Context) ([]float64, error) {
				b, err := d.Reg(ctx, 0x00, 0x13)
				if err != nil {
					return nil, err
				}
				t, err := decodeDS3231(b)
				return []float64{t}, err
			}, nil
		},
	}.On(b)
}

// decodeDS3231 first sees that this is a clock, which has no id but never an hour 0x3f or
// a day 0.
func decodeDS3231(b []byte) (float64, error) {
	for _, c := range []struct {
		what     string
		v        byte
		lo, hi   int
		reserved byte
	}{
		{"seconds", b[0], 0, 59, 0x80}, {"minutes", b[1], 0, 59, 0x80}, {"day of the week", b[3], 1, 7, 0xf8},
		{"day", b[4] & 0x3f, 1, 31, 0}, {"month", b[5] & 0x1f, 1, 12, 0},
	} {
		n := int(c.v>>4)*10 + int(c.v&0x0f)
		if c.v&c.reserved != 0 || c.v&0x0f > 9 || n < c.lo || n > c.hi {
			return 0, fmt.Errorf("%s is 0x%02x: this is no DS3231, or its clock was never set", c.what, c.v)
		}
	}
	// Ten bits, left-adjusted, a quarter of a degree each.
	return float64(int16(uint16(b[0x11])<<8|uint16(b[0x12]&0xc0))) / 256, nil
}
