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

// sensirionCommand sends a 16-bit command, each argument followed by its checksum.
func sensirionCommand(ctx context.Context, d *bus.Dev, cmd uint16, args ...uint16) error {
	b := []byte{byte(cmd >> 8), byte(cmd)}
	for _, a := range args {
		hi, lo := byte(a>>8), byte(a)
		b = append(b, hi, lo, byte(crcSensirion.Of([]byte{hi, lo})))
	}
	return d.Tx(ctx, b, nil)
}

// sensirionWords reads n words, each under its checksum.
func sensirionWords(ctx context.Context, d *bus.Dev, n int) ([]uint16, error) {
	b, err := d.Read(ctx, 3*n)
	if err != nil {
		return nil, err
	}
	ws := make([]uint16, n)
	for i := range ws {
		hi, lo, crc := b[3*i], b[3*i+1], b[3*i+2]
		if want := byte(crcSensirion.Of(b[3*i : 3*i+2])); crc != want {
			return nil, fmt.Errorf("checksum of word %d is 0x%02x, expected 0x%02x", i, crc, want)
		}
		ws[i] = uint16(hi)<<8 | uint16(lo)
	}
	return ws, nil
}

// sensirionAsk sends a command, waits as long as it may take, and reads n words.
func sensirionAsk(ctx context.Context, d *bus.Dev, wait time.Duration, n int, cmd uint16, args ...uint16) ([]uint16, error) {
	if err := sensirionCommand(ctx, d, cmd, args...); err != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, wait); err != nil {
		return nil, err
	}
	return sensirionWords(ctx, d, n)
}

// floats makes IEEE 754 numbers of pairs of words.
func floats(w []uint16) []float64 {
	out := make([]float64, len(w)/2)
	for i := range out {
		out[i] = float64(math.Float32frombits(uint32(w[2*i])<<16 | uint32(w[2*i+1])))
	}
	return out
}

// sensirionNumbers returns a fault for each value that is not a number; NaN would pass for
// "nothing new".
func sensirionNumbers(channels []drivers.Channel, values []float64) error {
	var faults []error
	for i, v := range values {
		if math.IsNaN(v) {
			faults = append(faults, chip.Fault(channels[i].Name, errors.New("the chip returned something that is not a number")))
		}
	}
	return chip.JoinErrors(faults...)
}

// sensirionIdle ends what another program may have left in a chip with the SHT3x's
// commands: it measures on its own, when it refuses every other command, or it heats, when
// it reads degrees too much. SHT3x data sheet sections 4.8 (break), 4.10 (heater) and 4.11
// (status); the HDC302x has the same.
func sensirionIdle(ctx context.Context, d *bus.Dev) error {
	const stop, heaterOff, status, heating = 0x3093, 0x3066, 0xf32d, 0x2000
	for _, cmd := range []uint16{stop, heaterOff} {
		if err := sensirionCommand(ctx, d, cmd); err != nil {
			return err
		}
		if err := bus.Sleep(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	w, err := sensirionAsk(ctx, d, time.Millisecond, 1, status)
	if err == nil && w[0]&heating != 0 {
		err = errHeater
	}
	return err
}

// errHeater is a heater that another program left on and that stays on.
var errHeater = errors.New("its heater stays on, so it reads too much")

// sensirionAwake sends a chip that sleeps what wakes it, if it does not answer to idle: a
// command that it takes in every other state. A chip that sleeps acknowledges nothing, and
// not even what wakes it.
func sensirionAwake(ctx context.Context, d *bus.Dev, idle uint16, wake uint16, times int, takes time.Duration) error {
	err := sensirionCommand(ctx, d, idle)
	if err == nil || ctx.Err() != nil {
		return err
	}
	for range times {
		_ = sensirionCommand(ctx, d, wake)
	}
	if err := bus.Sleep(ctx, takes); err != nil {
		return err
	}
	return sensirionCommand(ctx, d, idle)
}
