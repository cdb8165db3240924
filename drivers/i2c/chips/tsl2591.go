package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// TSL2591 measures light in two colours with a wide range. ams TSL2591 register set.
func TSL2591(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "tsl2591",
		Summary:   "ams TSL2591: light",
		Addresses: []uint16{0x29},
		Every:     10 * time.Second,
		Channels:  light(120000),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, 0xb2)
			if err != nil {
				return nil, err
			}
			if id != 0x50 {
				return nil, chip.WrongChip("tsl2591", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				// 25 times first, then 428 times in the dark, or once in the sun.
				gain, control := 25.0, byte(0x10)
				ch0, ch1, err := measureTSL2591(ctx, d, control)
				switch {
				case err != nil:
					return nil, err
				case ch0 < 200:
					gain, control = 428, 0x20
				case ch0 >= 36000 || ch1 >= 36000:
					gain, control = 1, 0x00
				}
				if control != 0x10 {
					if ch0, ch1, err = measureTSL2591(ctx, d, control); err != nil {
						return nil, err
					}
				}
				if ch0 >= 36863 || ch1 >= 36863 { // full scale of 100 ms
					return nil, errTooBright
				}
				return []float64{luxTSL2591(ch0, ch1, gain)}, nil
			}, nil
		},
	}.On(b)
}

// measureTSL2591 integrates once for 100 ms; enabling starts it.
func measureTSL2591(ctx context.Context, d *bus.Dev, control byte) (ch0, ch1 float64, err error) {
	const enable, controlReg, status, data = 0xa0, 0xa1, 0xb3, 0xb4
	for _, set := range [][2]byte{{enable, 0x00}, {controlReg, control}, {enable, 0x03}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return 0, 0, err
		}
	}
	if err := bus.Sleep(ctx, 120*time.Millisecond); err != nil {
		return 0, 0, err
	}
	s, err := d.U8(ctx, status)
	if err != nil {
		return 0, 0, err
	}
	b, err := d.Reg(ctx, data, 4)
	if err != nil {
		return 0, 0, err
	}
	got, err := d.Reg(ctx, enable, 2)
	switch {
	case err != nil:
		return 0, 0, err
	case got[0] != 0x03 || got[1] != control:
		return 0, 0, chip.ErrReset
	case s&0x01 == 0:
		return 0, 0, chip.ErrNoData
	}
	return float64(uint16(b[0]) | uint16(b[1])<<8), float64(uint16(b[2]) | uint16(b[3])<<8), nil
}

// luxTSL2591: the maker publishes no equation for this chip. This is the one in general
// use, of Adafruit's driver: counts per lux by 408, infrared taken off.
func luxTSL2591(ch0, ch1, gain float64) float64 {
	if ch0 == 0 {
		return 0
	}
	const ms, factor = 100, 408
	return max((ch0-ch1)*(1-ch1/ch0)*factor/(ms*gain), 0)
}
