package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chip"
)

// max6675Converts is how long the chip must be left alone: it converts only while its
// select is high, and starts anew each time that it is read. Data sheet 19-2235, tCONV is
// at most 0.22 s.
const max6675Converts = 250 * time.Millisecond

// MAX6675 measures with a thermocouple of type K, 0 to 1023.75 °C in steps of 0.25 °C. Data
// sheet 19-2235, figure 1b.
func MAX6675(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{adapter.Temperature(0, 1024)}
	return chip.Driver[*chip.SPIOptions]{
		Name:     "max6675",
		Summary:  "Maxim MAX6675: temperature with a thermocouple of type K, from 0 °C",
		Mode:     spi.Mode0,
		Hertz:    4_000_000,
		Every:    2 * time.Second,
		Channels: channels,
		Options:  chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.SPIOptions, c drivers.DeviceConfig) (adapter.Device, error) {
			// What another program's last read has left may be half a conversion.
			if _, err := d.Read(ctx, 2); err != nil {
				return nil, err
			}
			read := time.Now()
			return adapter.Numbers(channels, func(ctx context.Context) ([]float64, error) {
				if err := bus.Sleep(ctx, max6675Converts-time.Since(read)); err != nil {
					return nil, err
				}
				b, err := d.Read(ctx, 2)
				read = time.Now()
				if err != nil {
					return nil, err
				}
				return decodeMAX6675(b)
			}), nil
		},
	}.On(b)
}

// decodeMAX6675: bit 15 is always 0, 14 to 3 are the temperature, 2 is set if the
// thermocouple is open, 1 is always 0, and 0 is not driven. A chip that is not there reads
// as all zeros too, which would be 0 °C: that is a fault, as it is with the T- that this
// chip wants grounded.
func decodeMAX6675(b []byte) ([]float64, error) {
	w := uint16(b[0])<<8 | uint16(b[1])
	switch {
	case w&^1 == 0:
		return nil, fmt.Errorf("%w: reads only zeros, which is no chip, or exactly 0 °C (wired? powered? the right select?)", drivers.ErrNoAnswer)
	case w&0x8002 != 0:
		return nil, fmt.Errorf("%w: % x is no answer of a MAX6675 (wired? powered? another chip?)", drivers.ErrNoAnswer, b)
	case w&0x0004 != 0:
		return []float64{math.NaN()}, adapter.Fault("temperature", errors.New("the thermocouple is not connected, or its T- is not at ground"))
	}
	return []float64{float64(w>>3) * 0.25}, nil
}
