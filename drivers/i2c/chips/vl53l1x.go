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

// vl1Family is what differs between ST's sensors with these registers.
type vl1Family struct {
	name   string
	id     uint16
	most   float64 // m
	config []byte  // from vl1Config on
	start  byte    // of vl1Start: one result after the other
	takes  time.Duration
	// timing sets more, and returns what stands at vl1Timing from then on. nil: what config says.
	timing func(ctx context.Context, d *bus.Dev) ([]byte, error)
}

// vl1IDs are what vl1ID holds.
var vl1IDs = map[uint32]string{0xeacc: "vl53l1x", 0xebaa: "vl53l4cd"}

// VL53L1X measures distance up to 4 m.
func VL53L1X(b *bus.Buses) drivers.Driver {
	return vl1Family{name: "vl53l1x", id: 0xeacc, most: 4.5, config: vl53l1xConfig, start: 0x40, takes: 100 * time.Millisecond}.on(b, "ST VL53L1X: distance up to 4 m")
}

func (f vl1Family) on(b *bus.Buses, summary string) drivers.Driver {
	return chip.Driver[*chip.ReadyOptions]{
		Name:      f.name,
		Summary:   summary,
		Addresses: []uint16{0x29},
		Every:     time.Second,
		Channels:  distanceChannels(f.most),
		Needs:     chip.Need("distance", "target"),
		Options:   chip.NoReadyOptions,
		IRQ:       chip.IRQ{High: true, Ready: true},
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *chip.ReadyOptions, _ chip.Config) (chip.Device, error) {
			timing, err := f.open(ctx, d)
			if err != nil {
				return nil, err
			}
			if o.IRQ != "" {
				return f.ranging(ctx, d, timing)
			}
			return ranger{func(ctx context.Context) (float64, bool, error) { return f.measure(ctx, d, timing) }}, nil
		},
	}.On(b)
}

// open does what SensorInit of ST's Ultra Lite Driver does, after a reset: the chip may have
// been left ranging, with another timing. The first ranging calibrates it to its temperature;
// the two registers after it have it start from there every time.
func (f vl1Family) open(ctx context.Context, d *bus.Dev) (timing []byte, err error) {
	id, err := reg16(ctx, d, vl1ID, 2)
	if err != nil {
		return nil, err
	}
	if is := uint16(id[0])<<8 | uint16(id[1]); is != f.id {
		return nil, chip.WrongChip(f.name, uint32(is), vl1IDs)
	}
	for _, up := range []byte{0, 1} {
		if err := set16(ctx, d, vl1Reset, up); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil { // at most 1.2 ms
			return nil, err
		}
	}
	if booted, err := reg16(ctx, d, vl1State, 1); err != nil {
		return nil, err
	} else if booted[0]&1 == 0 {
		return nil, fmt.Errorf("%w: it does not start", chip.ErrNoData)
	}
	if err := set16(ctx, d, vl1Config, f.config...); err != nil {
		return nil, err
	}
	if err := set16(ctx, d, vl1Start, 0x40); err != nil {
		return nil, err
	}
	if err := f.await(ctx, d); err != nil {
		return nil, err
	}
	for _, set := range []struct {
		reg uint16
		v   byte
	}{{vl1Clear, 0x01}, {vl1Start, 0x00}, {0x0008, 0x09}, {0x000b, 0x00}} {
		if err := set16(ctx, d, set.reg, set.v); err != nil {
			return nil, err
		}
	}
	if f.timing != nil {
		return f.timing(ctx, d)
	}
	at := vl1Timing - vl1Config
	return f.config[at : at+vl1TimingSize], nil
}

func reg16(ctx context.Context, d *bus.Dev, reg uint16, n int) ([]byte, error) {
	r := make([]byte, n)
	return r, d.Tx(ctx, []byte{byte(reg >> 8), byte(reg)}, r)
}

func set16(ctx context.Context, d *bus.Dev, reg uint16, v ...byte) error {
	return d.Write(ctx, append([]byte{byte(reg >> 8), byte(reg)}, v...)...)
}

// measure starts, takes the second result and stops: the first has no other to be compared
// with, so that it may come from behind the wrap of the phase.
func (f vl1Family) measure(ctx context.Context, d *bus.Dev, timing []byte) (metres float64, target bool, err error) {
	if err := set16(ctx, d, vl1Clear, 0x01); err != nil {
		return 0, false, err
	}
	if err := set16(ctx, d, vl1Start, f.start); err != nil {
		return 0, false, err
	}
	var b []byte
	for range 2 {
		if err := f.await(ctx, d); err != nil {
			return 0, false, err
		}
		if b, err = takeVL53L1X(ctx, d); err != nil {
			return 0, false, err
		}
	}
	if err := set16(ctx, d, vl1Start, 0x00); err != nil {
		return 0, false, err
	}
	return decodeVL53L1X(ctx, d, b, timing)
}

// ranging has the chip range on its own, one after the other, with its pin GPIO1 high from the
// end of each until that is taken: bit 4 of 0x30 in the configuration above is the polarity.
func (f vl1Family) ranging(ctx context.Context, d *bus.Dev, timing []byte) (chip.Device, error) {
	for _, set := range [][2]byte{{vl1Clear, 0x01}, {vl1Start, f.start}} {
		if err := set16(ctx, d, uint16(set[0]), set[1]); err != nil {
			return nil, err
		}
	}
	if err := f.await(ctx, d); err != nil {
		return nil, err
	}
	if _, err := takeVL53L1X(ctx, d); err != nil { // the first, as in measure
		return nil, err
	}
	return &rangingVL53L1X{d: d, timing: timing, fresh: fresher()}, nil
}

// rangingVL53L1X ranges on its own.
type rangingVL53L1X struct {
	d      *bus.Dev
	timing []byte
	fresh  *fresh
}

// Poll implements chip.Device: the result that was not taken, if there is one.
func (r *rangingVL53L1X) Poll(ctx context.Context) ([]drivers.Reading, error) {
	ready, err := reg16(ctx, r.d, vl1Ready, 1)
	if err != nil {
		return nil, err
	}
	if ready[0]&1 == 0 || ready[0] == 0xff {
		return nil, r.fresh.none()
	}
	r.fresh.last = time.Now()
	b, err := takeVL53L1X(ctx, r.d)
	if err != nil {
		return nil, err
	}
	return ranger{func(ctx context.Context) (float64, bool, error) { return decodeVL53L1X(ctx, r.d, b, r.timing) }}.Poll(ctx)
}

// takeVL53L1X reads a result and has the chip go on.
func takeVL53L1X(ctx context.Context, d *bus.Dev) ([]byte, error) {
	b, err := reg16(ctx, d, vl1Result, 17)
	if err != nil {
		return nil, err
	}
	return b, set16(ctx, d, vl1Clear, 0x01)
}

// decodeVL53L1X returns what a result says, if the chip still has its settings.
func decodeVL53L1X(ctx context.Context, d *bus.Dev, b, timing []byte) (metres float64, target bool, err error) {
	// With other settings, as after a reset, it measures too, but not what we asked for.
	now, err := reg16(ctx, d, vl1Timing, vl1TimingSize)
	if err != nil {
		return 0, false, err
	}
	if !bytes.Equal(now, timing) {
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

func (f vl1Family) await(ctx context.Context, d *bus.Dev) error {
	wait := f.takes * 11 / 10
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
