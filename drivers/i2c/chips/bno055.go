package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Registers, modes and steps of the BNO055 are those of Adafruit's library, read.
const (
	bnoID, bnoPage, bnoAngles, bnoTemperature, bnoState, bnoUnits, bnoMode = 0x00, 0x07, 0x1a, 0x34, 0x39, 0x3b, 0x3d

	bnoConfig  = 0x00 // of bnoMode: its settings can be written
	bnoFusion  = 0x0c // with the magnetic field
	bnoRunning = 5    // of bnoState
	bnoFaulty  = 1
)

// bnoSettings are degrees and °C, angles as on paper (0x80 after power-on), all power, no other
// axes than those printed on it.
var bnoSettings = []setting{{bnoUnits, true, 0x97, 0}, {0x3e, true, 0x03, 0}, {0x40, true, 0x03, 0}, {0x41, true, 0x3f, 0x24}, {0x42, true, 0x07, 0}}

// BNO055 reports how it lies, from gravity, the turning and the magnetic field.
func BNO055(b *bus.Buses) drivers.Driver {
	degrees := func(name string, lo, hi float64) drivers.Channel {
		return drivers.Channel{Name: name, Unit: "°", Min: lo, Max: hi}
	}
	channels := []drivers.Channel{degrees("heading", 0, 360), degrees("roll", -180, 180), degrees("pitch", -180, 180),
		chip.Temperature(-40, 85), {Name: "calibration", Min: 0, Max: 3}}
	return chip.Driver[*chip.I2COptions]{
		Name:      "bno055",
		Summary:   "Bosch BNO055: heading, roll, pitch",
		Addresses: []uint16{0x28, 0x29},
		Every:     time.Second,
		Channels:  channels,
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, _ chip.Config) (chip.Device, error) {
			if err := openBNO055(ctx, d); err != nil {
				return nil, err
			}
			return bno055{d, channels}, nil
		},
	}.On(b)
}

// openBNO055 leaves a chip alone that is as it should be: what it has learnt of its errors since
// it was switched on would be lost.
func openBNO055(ctx context.Context, d *bus.Dev) error {
	id, err := d.U8(ctx, bnoID)
	if err != nil {
		return err
	}
	if id != 0xa0 { // also for 650 ms after it was switched on
		return chip.WrongChip("bno055", uint32(id), nil)
	}
	if err := d.Write(ctx, bnoPage, 0); err != nil {
		return err
	}
	mode, err := d.U8(ctx, bnoMode)
	if err != nil {
		return err
	}
	if mode == bnoFusion && checkSettings(ctx, d, bnoSettings) == nil {
		return nil
	}
	if err := d.Write(ctx, bnoMode, bnoConfig); err != nil {
		return err
	}
	if err := bus.Sleep(ctx, 30*time.Millisecond); err != nil {
		return err
	}
	if err := writeSettings(ctx, d, bnoSettings); err != nil {
		return err
	}
	if err := d.Write(ctx, bnoMode, bnoFusion); err != nil {
		return err
	}
	return bus.Sleep(ctx, 100*time.Millisecond)
}

type bno055 struct {
	d        *bus.Dev
	channels []drivers.Channel
}

// Poll implements chip.Device. Angles of a chip that has not been turned about yet, so that it
// does not know the errors of its sensors, are uncertain.
func (c bno055) Poll(ctx context.Context) ([]drivers.Reading, error) {
	b, err := c.d.Reg(ctx, bnoAngles, bnoTemperature+2-bnoAngles)
	if err != nil {
		return nil, err
	}
	mode, err := c.d.U8(ctx, bnoMode)
	if err != nil {
		return nil, err
	}
	if mode != bnoFusion {
		return nil, chip.ErrReset
	}
	if err := checkSettings(ctx, c.d, bnoSettings); err != nil {
		return nil, err
	}
	state, err := c.d.Reg(ctx, bnoState, 2)
	switch {
	case err != nil:
		return nil, err
	case state[0] == bnoFaulty:
		return nil, fmt.Errorf("the chip reports error %d", state[1])
	case state[0] != bnoRunning:
		return nil, chip.ErrNoData
	}
	angle := func(i int) float64 { return float64(int16(uint16(b[2*i])|uint16(b[2*i+1])<<8)) / 16 }
	calibration := b[bnoTemperature+1-bnoAngles]
	rs := chip.Readings(c.channels, []float64{angle(0), angle(1), angle(2), float64(int8(b[bnoTemperature-bnoAngles])), float64(calibration >> 6)})
	if calibration>>6 == 0 {
		for i := range 3 {
			rs[i].Quality = drivers.Uncertain
		}
	}
	return rs, nil
}
