package chips

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Registers and bits of the NAU7802, as in ESPHome's component, read; that the lower half of
// the revision is 0xf is from memory.
const (
	nauPower, nauControl1, nauControl2, nauData, nauADC, nauPGA, nauSupply, nauRevision = 0x00, 0x01, 0x02, 0x12, 0x15, 0x1b, 0x1c, 0x1f

	nauReset   = 0x01 // of nauPower
	nauDigital = 0x02
	nauAnalog  = 0x04
	nauUp      = 0x08
	nauRun     = 0x10
	nauReady   = 0x20
	nauLDO     = 0x80

	nauCalibrate = 0x04 // of nauControl2: falls when it is over
	nauFailed    = 0x08

	nauSamples     = 4  // of which a reading is the mean
	nauTareSamples = 10 // a second
)

type nau7802Options struct {
	chip.ReadyOptions
	PerKg float64 `toml:"per_kg" example:"21500" doc:"Counts per kg, to be found with a known weight; without it there is no weight, only raw."`
}

// Outputs implements drivers.Outputter.
func (o *nau7802Options) Outputs() []drivers.Channel {
	all := []drivers.Channel{{Name: "raw", Min: -1 << 23, Max: 1<<23 - 1}, adapter.Pressed("tare")}
	if o.PerKg != 0 {
		all = append(all, drivers.Channel{Name: "weight", Unit: "kg"})
	}
	return all
}

// NAU7802 weighs, with a load cell on its input: 24 bits, ten times a second. Its pin DRDY is
// high from the end of a conversion until that is read, where bits 6 and 7 of nauControl1 are
// zeros: SparkFun's library, read.
func NAU7802(b *bus.Buses) drivers.Driver {
	return chip.Driver[*nau7802Options]{
		Name:      "nau7802",
		Summary:   "Nuvoton NAU7802: a load cell",
		Addresses: []uint16{0x2a},
		Every:     2 * time.Second,
		Options:   func() *nau7802Options { return &nau7802Options{} },
		IRQ:       chip.IRQ{High: true, Ready: true},
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *nau7802Options, config chip.Config) (chip.Device, error) {
			n := &nau7802{d: d, perKg: o.PerKg, store: config.Store}
			if text, ok := config.Store.Load(tareKey); ok {
				n.zero, _ = strconv.ParseFloat(string(text), 64) // 0, where it cannot be read
			}
			if err := n.setup(ctx); err != nil {
				return nil, err
			}
			if o.IRQ != "" {
				n.fresh = fresher()
			}
			return adapter.Acting(n, map[string]adapter.Action{"tare": adapter.On(n.tare)}), nil
		},
	}.On(b)
}

// tareKey is where the zero of a scale is kept over a restart.
const tareKey = "tare"

type nau7802 struct {
	d     *bus.Dev
	perKg float64
	store drivers.Store
	zero  float64 // counts
	fresh *fresh  // nil: asked at the interval, not at the edge
}

// nauSettings: 3.3 V for the cell and gain 128; no chopper of the ADC's; a supply with a
// capacitor of little resistance; the other capacitor in use. Zeros after power-on.
var nauSettings = []setting{{nauControl1, true, 0xff, 0x27}, {nauADC, true, 0x30, 0x30}, {nauPGA, true, 0xff, 0}, {nauSupply, true, 0x80, 0x80}}

func (n *nau7802) setup(ctx context.Context) error {
	rev, err := n.d.U8(ctx, nauRevision)
	if err != nil {
		return err
	}
	if rev&0x0f != 0x0f || rev == 0xff {
		return chip.WrongChip("nau7802", uint32(rev), nil)
	}
	for _, v := range []byte{nauReset, nauDigital} {
		if err := n.d.Write(ctx, nauPower, v); err != nil {
			return err
		}
		if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	if up, err := n.d.U8(ctx, nauPower); err != nil {
		return err
	} else if up&nauUp == 0 {
		return chip.ErrNoData
	}
	if err := writeSettings(ctx, n.d, nauSettings); err != nil {
		return err
	}
	if err := n.d.Write(ctx, nauPower, nauDigital|nauAnalog|nauLDO); err != nil {
		return err
	}
	if err := bus.Sleep(ctx, 600*time.Millisecond); err != nil { // the cell's supply settles
		return err
	}
	if err := n.d.Write(ctx, nauPower, nauDigital|nauAnalog|nauLDO|nauRun); err != nil {
		return err
	}
	return n.calibrate(ctx)
}

// calibrate takes the offset of the amplifier away.
func (n *nau7802) calibrate(ctx context.Context) error {
	if err := n.d.Write(ctx, nauControl2, nauCalibrate); err != nil {
		return err
	}
	for range 8 {
		if err := bus.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		got, err := n.d.U8(ctx, nauControl2)
		switch {
		case err != nil:
			return err
		case got&nauFailed != 0:
			return errors.New("it could not calibrate its amplifier (is the load cell connected?)")
		case got&nauCalibrate == 0:
			return nil
		}
	}
	return chip.ErrNoData
}

// sample returns the mean of so many new conversions, in counts.
func (n *nau7802) sample(ctx context.Context, samples int) (float64, error) {
	if _, err := n.d.Reg(ctx, nauData, 3); err != nil { // what lies there may be old
		return 0, err
	}
	sum := 0.0
	for range samples {
		if err := awaitBits(ctx, n.d, nauPower, nauReady, 100*time.Millisecond); err != nil {
			return 0, err
		}
		raw, err := n.take(ctx)
		if err != nil {
			return 0, err
		}
		sum += raw
	}
	return sum / float64(samples), n.check(ctx)
}

// take reads a conversion.
func (n *nau7802) take(ctx context.Context) (float64, error) {
	b, err := n.d.Reg(ctx, nauData, 3)
	if err != nil {
		return 0, err
	}
	raw := top(b) >> 8
	if raw == 1<<23-1 || raw == -1<<23 {
		return 0, chip.Fault("raw", fmt.Errorf("%w (a wire of the load cell open?)", errBeyond))
	}
	return float64(raw), nil
}

// check returns an error if the chip was reset.
func (n *nau7802) check(ctx context.Context) error {
	const on = nauDigital | nauAnalog | nauUp | nauRun | nauLDO
	power, err := n.d.U8(ctx, nauPower)
	if err != nil {
		return err
	}
	if power&on != on {
		return chip.ErrReset
	}
	return checkSettings(ctx, n.d, nauSettings)
}

// latest returns what was converted since it was last asked; false if nothing.
func (n *nau7802) latest(ctx context.Context) (raw float64, ok bool, err error) {
	if ready, err := n.fresh.has(ctx, n.d, nauPower, nauReady); err != nil || !ready {
		return 0, false, err
	}
	if raw, err = n.take(ctx); err != nil {
		return 0, false, err
	}
	return raw, true, n.check(ctx)
}

// Poll implements chip.Device.
func (n *nau7802) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var raw float64
	var err error
	if some := true; n.fresh == nil {
		raw, err = n.sample(ctx, nauSamples)
	} else if raw, some, err = n.latest(ctx); !some {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	now := time.Now()
	rs := []drivers.Reading{{Channel: "raw", Value: drivers.Number(raw), Time: now}}
	if n.perKg != 0 {
		rs = append(rs, drivers.Reading{Channel: "weight", Unit: "kg", Value: drivers.Number((raw - n.zero) / n.perKg), Time: now})
	}
	return rs, nil
}

// tare takes what lies on the scale for nothing.
func (n *nau7802) tare(ctx context.Context) error {
	zero, err := n.sample(ctx, nauTareSamples)
	if err != nil {
		return err
	}
	n.zero = zero
	n.store.Save(tareKey, strconv.AppendFloat(nil, zero, 'g', -1, 64))
	return nil
}
