package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// vl53l4cdConfig is what ST's Ultra Lite Driver (STSW-IMG026, as in stm32duino's VL53L4CD, read)
// writes to 0x2d and on, but for the polarity of 0x30: ready is a one, as of a VL53L1X.
var vl53l4cdConfig = []byte{
	0x12, 0x00, 0x00, 0x01, 0x02, 0x00, 0x02, 0x08, 0x00, 0x08, 0x10, 0x01, 0x01, 0x00, 0x00, 0x00, // 0x2d
	0x00, 0xff, 0x00, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x0b, 0x00, 0x00, 0x02, 0x14, 0x21, // 0x3d
	0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0xc8, 0x00, 0x00, 0x38, 0xff, 0x01, 0x00, 0x08, 0x00, // 0x4d
	0x00, 0x01, 0xcc, 0x07, 0x01, 0xf1, 0x05, 0x00, 0xa0, 0x00, 0x80, 0x08, 0x38, 0x00, 0x00, 0x00, // 0x5d
	0x00, 0x0f, 0x89, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x07, 0x05, 0x06, 0x06, 0x00, // 0x6d
	0x00, 0x02, 0xc7, 0xff, 0x9b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, // 0x7d
}

const (
	vl4Oscillator = 0x0006
	vl4Period     = 0x006c
	// vl4Budget is the time of one ranging, 50 ms, without what it takes to start.
	vl4Budget = 50000 - 2500 // µs
)

// VL53L4CD measures distance up to 1.3 m.
func VL53L4CD(b *bus.Buses) drivers.Driver {
	return vl1Family{name: "vl53l4cd", id: 0xebaa, most: 1.5, config: vl53l4cdConfig, start: 0x21, takes: 50 * time.Millisecond, timing: timeVL53L4CD}.on(b, "ST VL53L4CD: distance up to 1.3 m")
}

// timeVL53L4CD has one ranging follow the other, of 50 ms each by the chip's own clock:
// VL53L4CD_SetRangeTiming.
func timeVL53L4CD(ctx context.Context, d *bus.Dev) ([]byte, error) {
	clock, err := reg16(ctx, d, vl4Oscillator, 2)
	if err != nil {
		return nil, err
	}
	osc := uint32(clock[0])<<8 | uint32(clock[1])
	if osc == 0 {
		return nil, errors.New("its oscillator has no frequency (the bus reads only zeros?)")
	}
	a, c := vl4Timeout(osc, 16), vl4Timeout(osc, 12)
	at := vl1Timing - vl1Config
	timing := append([]byte(nil), vl53l4cdConfig[at:at+vl1TimingSize]...)
	timing[0], timing[1], timing[3], timing[4] = byte(a>>8), byte(a), byte(c>>8), byte(c)
	if err := set16(ctx, d, 0x0024, 0x05, 0x00); err != nil {
		return nil, err
	}
	if err := set16(ctx, d, vl4Period, 0, 0, 0, 0); err != nil {
		return nil, err
	}
	return timing, set16(ctx, d, vl1Timing, timing...)
}

// vl4Timeout is the budget in periods of the chip's clock, which are of so many steps, as eight
// bits and a power of two.
func vl4Timeout(osc, steps uint32) uint16 {
	period := 2304 * (0x40000000 / osc) >> 6 * steps >> 6
	n, power := (uint32(vl4Budget)<<12+period/2)/period-1, uint16(0)
	for ; n > 0xff; power++ {
		n >>= 1
	}
	return power<<8 | uint16(n)
}
