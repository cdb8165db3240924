package chips

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// The PCA9685's registers and bits are those of esp-idf-lib's pca9685 and ESPHome's component,
// read.
const (
	pcaMode1, pcaMode2, pcaOutputs, pcaPrescale = 0x00, 0x01, 0x06, 0xfe

	pcaIncrement = 0x20 // of mode 1: registers follow each other
	pcaSleep     = 0x10
	pcaRestart   = 0x80
	pcaDrives    = 0x04 // of mode 2: the outputs drive both ways
	pcaFull      = 0x10 // of an output's upper byte: all the time
	pcaClock     = 25e6 // Hz
	pcaSteps     = 4096
)

type pca9685Options struct {
	chip.I2COptions
	Frequency float64 `toml:"frequency" example:"50" doc:"Frequency of the pulses in Hz, 24 to 1526, for all outputs: 50 for servos."`
}

func (o *pca9685Options) prescale() byte {
	return byte(math.Round(pcaClock/(pcaSteps*o.Frequency)) - 1)
}

// Check implements drivers.Checker.
func (o *pca9685Options) Check() error {
	var err error
	if !(o.Frequency >= 24 && o.Frequency <= 1526) {
		err = &drivers.KeyError{Key: "frequency", Problem: fmt.Sprintf("found %g", o.Frequency), Expected: "24 to 1526 Hz"}
	}
	return chip.JoinErrors(o.I2COptions.Check(), err)
}

// PCA9685 makes pulses on 16 outputs: their duty is commanded in %.
func PCA9685(b *bus.Buses) drivers.Driver {
	addrs := slices.DeleteFunc(chip.Span(0x40, 0x77), func(a uint16) bool { return a == 0x70 }) // to which all of them answer
	var names []string
	for n := range 16 {
		names = append(names, strconv.Itoa(n))
	}
	return several(b, "pca9685", "NXP PCA9685: 16 outputs of pulses, for lamps, fans and servos", addrs, names,
		func() *pca9685Options { return &pca9685Options{Frequency: 200} }, openPCA9685)
}

// openPCA9685 sets the frequency, which it takes asleep only, and which is left alone where it
// is right: servos twitch. Outputs that nobody has named are off.
func openPCA9685(ctx context.Context, d *bus.Dev, o *pca9685Options) (converter, error) {
	p := &pca9685{d: d, prescale: o.prescale(), written: map[int][]byte{}}
	mode, err := d.U8(ctx, pcaMode1)
	if err != nil {
		return nil, err
	}
	scale, err := d.U8(ctx, pcaPrescale)
	if err != nil {
		return nil, err
	}
	if mode != pcaIncrement || scale != p.prescale {
		for _, set := range [][2]byte{{pcaMode1, pcaSleep | pcaIncrement}, {pcaPrescale, p.prescale}} {
			if err := d.Write(ctx, set[0], set[1]); err != nil {
				return nil, err
			}
		}
		off := []byte{pcaOutputs}
		for range 16 {
			off = append(off, 0, 0, 0, pcaFull)
		}
		if err := d.Write(ctx, off...); err != nil {
			return nil, err
		}
		if err := d.Write(ctx, pcaMode1, pcaIncrement); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, time.Millisecond); err != nil { // its oscillator starts within 500 µs
			return nil, err
		}
	}
	return p, d.Write(ctx, pcaMode2, pcaDrives)
}

type pca9685 struct {
	d        *bus.Dev
	prescale byte
	written  map[int][]byte // what was written to the outputs that are used
}

func (p *pca9685) set(ctx context.Context, output int, percent float64) error {
	// When it goes on and off, low bytes first; bit 4 of an upper byte is always on, or off.
	n := code(percent, pcaSteps)
	b := []byte{0, 0, byte(n), byte(n >> 8)}
	switch n {
	case 0:
		b = []byte{0, 0, 0, pcaFull}
	case pcaSteps:
		b = []byte{0, pcaFull, 0, 0}
	}
	p.written[output] = b
	return p.d.Write(ctx, append([]byte{pcaOutputs + 4*byte(output)}, b...)...)
}

func (p *pca9685) check(ctx context.Context) error {
	modes, err := p.d.Reg(ctx, pcaMode1, 2)
	if err != nil {
		return err
	}
	scale, err := p.d.U8(ctx, pcaPrescale)
	if err != nil {
		return err
	}
	if modes[0]&^pcaRestart != pcaIncrement || modes[1] != pcaDrives || scale != p.prescale {
		return chip.ErrReset
	}
	for output, want := range p.written {
		got, err := p.d.Reg(ctx, pcaOutputs+4*byte(output), 4)
		if err != nil {
			return err
		}
		if !slices.Equal(got, want) {
			return chip.ErrReset
		}
	}
	return nil
}
