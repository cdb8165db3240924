package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// LPS22HB measures pressure: LPS22HB, LPS33HW, LPS35HW. The pressure's and the temperature's
// halves belong to one measurement (BDU), which is off after power-on. Registers, ids and
// steps of both as in the kernel's st_pressure_core.c and RIOT's lpsxxx, the pin's as in ST's
// lps22hb_reg.h and lps25hb_reg.h, read.
func LPS22HB(b *bus.Buses) drivers.Driver {
	return lps2x(b, "ST LPS22HB: pressure, temperature", demand{name: "lps22hb", id: 0xb1, config: 0x10, start: 0x11, settings: 0x02, shot: 0x11, data: 5, free: 0x12, drdy: [2]byte{0x12, 0x04}},
		func(raw int16) float64 { return float64(raw) / 100 })
}

// LPS25HB measures pressure: LPS25H, LPS25HB.
func LPS25HB(b *bus.Buses) drivers.Driver {
	return lps2x(b, "ST LPS25H, LPS25HB: pressure, temperature", demand{name: "lps25hb", id: 0xbd, config: 0x20, start: 0x21, settings: 0x84, shot: 0x01, burst: 0x80, data: 5, free: 0x94, drdy: [2]byte{0x23, 0x01}},
		func(raw int16) float64 { return 42.5 + float64(raw)/480 })
}

func lps2x(b *bus.Buses, summary string, l demand, celsius func(raw int16) float64) drivers.Driver {
	return chip.Driver[*chip.ReadyOptions]{
		Name:      l.name,
		Summary:   summary,
		Addresses: []uint16{0x5c, 0x5d},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(26000, 126000)},
		Options:   chip.NoReadyOptions,
		IRQ:       chip.IRQ{High: true, Ready: true},
		Open: func(ctx context.Context, d *bus.Dev, o *chip.ReadyOptions) (chip.Read, error) {
			measure, err := l.open(ctx, d, o.IRQ != "")
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				b, err := measure(ctx)
				if err != nil || b == nil {
					return nil, err
				}
				// 24 bits of 1/4096 hPa, 16 of temperature, low byte first.
				p := int32(uint32(b[2])<<24|uint32(b[1])<<16|uint32(b[0])<<8) >> 8
				return []float64{celsius(int16(uint16(b[4])<<8 | uint16(b[3]))), float64(p) / 4096 * 100}, nil
			}, nil
		},
	}.On(b)
}
