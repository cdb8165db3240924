package chips

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// vl53l1xConfig is what ST's Ultra Lite Driver (STSW-IMG009) writes to 0x2d and on: long
// distance, 100 ms. ST says of most of it only that it is not to be modified.
var vl53l1xConfig = []byte{
	0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x02, 0x08, 0x00, 0x08, 0x10, 0x01, 0x01, 0x00, 0x00, 0x00, // 0x2d
	0x00, 0xff, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x0b, 0x00, 0x00, 0x02, 0x0a, 0x21, // 0x3d
	0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0xc8, 0x00, 0x00, 0x38, 0xff, 0x01, 0x00, 0x08, 0x00, // 0x4d
	0x00, 0x01, 0xcc, 0x0f, 0x01, 0xf1, 0x0d, 0x01, 0x68, 0x00, 0x80, 0x08, 0xb8, 0x00, 0x00, 0x00, // 0x5d
	0x00, 0x0f, 0x89, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x0d, 0x0e, 0x0e, 0x00, // 0x6d
	0x00, 0x02, 0xc7, 0xff, 0x9b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, // 0x7d
}

// Registers of the VL53L1X, which have 16 bits.
const (
	vl1Reset      = 0x0000
	vl1Config     = 0x002d
	vl1Ready      = 0x0031 // bit 0, with the polarity of the configuration above
	vl1Clear      = 0x0086
	vl1Start      = 0x0087
	vl1Result     = 0x0089
	vl1State      = 0x00e5 // bit 0: booted
	vl1ID         = 0x010f
	vl1Timing     = 0x005e // timeouts and pulse periods, which ST's driver reads back too
	vl1TimingSize = 6
)

// VL53L1X measures distance up to 4 m.
func VL53L1X(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "vl53l1x",
		Summary:   "ST VL53L1X: distance up to 4 m",
		Addresses: []uint16{0x29},
		Every:     time.Second,
		Channels:  distanceChannels(4.5),
		Needs:     chip.Need("distance", "target"),
		Options:   chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, _ chip.Config) (chip.Device, error) {
			if err := openVL53L1X(ctx, d); err != nil {
				return nil, err
			}
			return ranger{func(ctx context.Context) (float64, bool, error) { return rangeVL53L1X(ctx, d) }}, nil
		},
	}.On(b)
}

// openVL53L1X does what VL53L1X_SensorInit of ST's Ultra Lite Driver does, after a reset: the
// chip may have been left ranging, with another timing. The first ranging calibrates it to
// its temperature; the two registers after it have it start from there every time.
func openVL53L1X(ctx context.Context, d *bus.Dev) error {
	id, err := reg16(ctx, d, vl1ID, 2)
	if err != nil {
		return err
	}
	if !bytes.Equal(id, []byte{0xea, 0xcc}) {
		return chip.WrongChip("vl53l1x", uint32(id[0])<<8|uint32(id[1]), nil)
	}
	for _, up := range []byte{0, 1} {
		if err := set16(ctx, d, vl1Reset, up); err != nil {
			return err
		}
		if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil { // at most 1.2 ms
			return err
		}
	}
	if booted, err := reg16(ctx, d, vl1State, 1); err != nil {
		return err
	} else if booted[0]&1 == 0 {
		return fmt.Errorf("%w: it does not start", chip.ErrNoData)
	}
	if err := set16(ctx, d, vl1Config, vl53l1xConfig...); err != nil {
		return err
	}
	if err := set16(ctx, d, vl1Start, 0x40); err != nil {
		return err
	}
	if err := awaitVL53L1X(ctx, d); err != nil {
		return err
	}
	for _, set := range []struct {
		reg uint16
		v   byte
	}{{vl1Clear, 0x01}, {vl1Start, 0x00}, {0x0008, 0x09}, {0x000b, 0x00}} {
		if err := set16(ctx, d, set.reg, set.v); err != nil {
			return err
		}
	}
	return nil
}

func reg16(ctx context.Context, d *bus.Dev, reg uint16, n int) ([]byte, error) {
	r := make([]byte, n)
	return r, d.Tx(ctx, []byte{byte(reg >> 8), byte(reg)}, r)
}

func set16(ctx context.Context, d *bus.Dev, reg uint16, v ...byte) error {
	return d.Write(ctx, append([]byte{byte(reg >> 8), byte(reg)}, v...)...)
}

// rangeVL53L1X starts, takes the second result and stops: the first has no other to be
// compared with, so that it may come from behind the wrap of the phase.
func rangeVL53L1X(ctx context.Context, d *bus.Dev) (metres float64, target bool, err error) {
	if err := set16(ctx, d, vl1Clear, 0x01); err != nil {
		return 0, false, err
	}
	if err := set16(ctx, d, vl1Start, 0x40); err != nil {
		return 0, false, err
	}
	var b []byte
	for range 2 {
		if err := awaitVL53L1X(ctx, d); err != nil {
			return 0, false, err
		}
		if b, err = reg16(ctx, d, vl1Result, 17); err != nil {
			return 0, false, err
		}
		if err := set16(ctx, d, vl1Clear, 0x01); err != nil {
			return 0, false, err
		}
	}
	if err := set16(ctx, d, vl1Start, 0x00); err != nil {
		return 0, false, err
	}
	// With other settings, as after a reset, it measures too, but not what we asked for.
	now, err := reg16(ctx, d, vl1Timing, vl1TimingSize)
	if err != nil {
		return 0, false, err
	}
	at := vl1Timing - vl1Config
	if !bytes.Equal(now, vl53l1xConfig[at:at+vl1TimingSize]) {
		return 0, false, chip.ErrReset
	}
	mm := float64(uint16(b[13])<<8 | uint16(b[14]))
	switch status := b[0] & 0x1f; status { // RESULT__RANGE_STATUS, as ST's driver translates it
	case 8, 9, 19: // valid; nearer than the shortest, which it shows; valid, wrap not checked
		return mm / 1000, true, nil
	case 4, 5, 6, 7: // weak signal, phase out of bounds, too uncertain, wrapped around
		return 0, false, nil
	default:
		return 0, false, fmt.Errorf("the chip reports range status %d", status)
	}
}

func awaitVL53L1X(ctx context.Context, d *bus.Dev) error {
	wait := 110 * time.Millisecond
	for range 8 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return err
		}
		r, err := reg16(ctx, d, vl1Ready, 1)
		if err != nil || r[0]&1 == 1 && r[0] != 0xff {
			return err
		}
		wait = 25 * time.Millisecond
	}
	return chip.ErrNoData
}
