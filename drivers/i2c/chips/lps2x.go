package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// lps is what differs between ST's barometers.
type lps struct {
	id            byte
	config, start byte // CTRL_REG1 and 2, or 20 and 21
	settings      byte // of config; not those after power-on, so that a reset is noticed
	shot          byte // of start; falls back when it is over
	shotMask      byte
	burst         byte // set in the number of a register to read on
	celsius       func(raw int16) float64
}

// LPS22HB measures pressure: LPS22HB. DocID027083 section 9. The pressure's and the
// temperature's halves belong to one measurement (BDU), which is off after power-on.
func LPS22HB(b *bus.Buses) drivers.Driver {
	return lps2x(b, "lps22hb", "ST LPS22HB: pressure, temperature", lps{id: 0xb1, config: 0x10, start: 0x11, settings: 0x02, shot: 0x11, shotMask: 0x01,
		celsius: func(raw int16) float64 { return float64(raw) / 100 }})
}

// LPS25HB measures pressure: LPS25H, LPS25HB. DocID027112 section 9.
func LPS25HB(b *bus.Buses) drivers.Driver {
	return lps2x(b, "lps25hb", "ST LPS25H, LPS25HB: pressure, temperature", lps{id: 0xbd, config: 0x20, start: 0x21, settings: 0x84, shot: 0x01, shotMask: 0x01, burst: 0x80,
		celsius: func(raw int16) float64 { return 42.5 + float64(raw)/480 }})
}

func lps2x(b *bus.Buses, name, summary string, l lps) drivers.Driver {
	const whoAmI, ready, data = 0x0f, 0x27, 0x28
	return chip.Driver[*chip.I2COptions]{
		Name:      name,
		Summary:   summary,
		Addresses: []uint16{0x5c, 0x5d},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(26000, 126000)},
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			id, err := d.U8(ctx, whoAmI)
			if err != nil {
				return nil, err
			}
			if id != l.id {
				return nil, chip.WrongChip(name, uint32(id), map[uint32]string{0xb1: "lps22hb", 0xbd: "lps25hb"})
			}
			return func(ctx context.Context) ([]float64, error) {
				// Idle first: off, no FIFO, then what is measured once.
				for _, set := range [][2]byte{{l.config, 0}, {l.config, l.settings}, {l.start, l.shot &^ l.shotMask}} {
					if err := d.Write(ctx, set[0], set[1]); err != nil {
						return nil, err
					}
				}
				// What was measured before is read, so that what is ready is what follows.
				if _, err := d.Reg(ctx, data|l.burst, 5); err != nil {
					return nil, err
				}
				if err := d.Write(ctx, l.start, l.shot); err != nil {
					return nil, err
				}
				for range 8 {
					if err := bus.Sleep(ctx, 40*time.Millisecond); err != nil {
						return nil, err
					}
					s, err := d.U8(ctx, ready)
					if err != nil {
						return nil, err
					}
					if s&0x03 == 0x03 {
						return l.read(ctx, d, data)
					}
				}
				return nil, chip.ErrNoData
			}, nil
		},
	}.On(b)
}

// read: 24 bits of 1/4096 hPa, 16 of temperature, low byte first.
func (l lps) read(ctx context.Context, d *bus.Dev, data byte) ([]float64, error) {
	b, err := d.Reg(ctx, data|l.burst, 5)
	if err != nil {
		return nil, err
	}
	set, err := d.U8(ctx, l.config)
	if err != nil {
		return nil, err
	}
	if set != l.settings {
		return nil, chip.ErrReset
	}
	p := int32(uint32(b[2])<<24|uint32(b[1])<<16|uint32(b[0])<<8) >> 8
	return []float64{l.celsius(int16(uint16(b[4])<<8 | uint16(b[3]))), float64(p) / 4096 * 100}, nil
}
