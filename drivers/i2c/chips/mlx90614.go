package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// MLX90614 measures the temperature of what it looks at. Melexis 3901090614 section 8.4.
func MLX90614(b *bus.Buses) drivers.Driver {
	object := chip.Temperature(-70, 382.2)
	ambient := drivers.Channel{Name: "ambient", Unit: "°C", Min: -40, Max: 125}
	return chip.Driver[*chip.I2COptions]{
		Name:      "mlx90614",
		Summary:   "Melexis MLX90614: infrared temperature",
		Addresses: chip.Span(0x5a, 0x5d), // programmable; the factory's is 0x5a
		Every:     5 * time.Second,
		Channels:  []drivers.Channel{object, ambient},
		Needs:     chip.Need("ambient", "temperature"), // what it looks at is measured against itself
		Options:   chip.NoOptions,
		Open: func(_ context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			return func(ctx context.Context) ([]float64, error) {
				var out []float64
				var faults []error
				for i, ram := range []byte{0x07, 0x06} { // object 1, ambient: table 9
					t, err := readMLX90614(ctx, d, ram)
					switch {
					case errors.Is(err, errMLXFlag):
						t, err = math.NaN(), chip.Fault([]string{object.Name, ambient.Name}[i], err)
						faults = append(faults, err)
					case err != nil:
						return nil, err
					}
					out = append(out, t)
				}
				return out, chip.JoinErrors(faults...)
			}, nil
		},
	}.On(b)
}

// errMLXFlag is bit 15 of a temperature. Section 8.4.5.
var errMLXFlag = errors.New("the chip reports an error of its own")

// readMLX90614 reads a word of RAM with its packet error code, which covers the address
// bytes too. SMBus 2.0 section 5.5.5.
func readMLX90614(ctx context.Context, d *bus.Dev, ram byte) (float64, error) {
	b, err := d.Reg(ctx, ram, 3)
	if err != nil {
		return 0, err
	}
	addr := byte(d.Addr().Chip)
	if want := byte(crcSMBus.Of([]byte{addr << 1, ram, addr<<1 | 1, b[0], b[1]})); b[2] != want {
		return 0, fmt.Errorf("checksum is 0x%02x, expected 0x%02x", b[2], want)
	}
	raw := uint16(b[1])<<8 | uint16(b[0])
	if raw&0x8000 != 0 {
		return 0, errMLXFlag
	}
	return float64(raw)*0.02 - 273.15, nil
}
