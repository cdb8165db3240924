package chips

import (
	"context"
	"errors"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Registers and steps of the EMC2101 are those of Adafruit's library, ESPHome's component and
// the kernel's patch by Fernández Rojas, read.
const (
	emcInside, emcOutside, emcOutsideLow, emcConfig, emcTach, emcFan, emcDuty, emcSteps, emcDivide, emcID = 0x00, 0x01, 0x10, 0x03, 0x46, 0x4a, 0x4c, 0x4d, 0x4e, 0xfd

	emcTachometer = 0x04    // of emcConfig: the pin is an input; pulses and not a voltage
	emcByHand     = 0x24    // of emcFan: not by its own table; a clock that emcDivide divides
	emcHalf       = 23      // of emcSteps, as after power-on: 46 steps of duty, 7.8 kHz
	emcPerMinute  = 5400000 // counts of the tachometer
	emcStands     = 0xffff  // of the tachometer
)

type emc2101Options struct {
	chip.I2COptions
	levelOptions
}

// Check implements drivers.Checker.
func (o *emc2101Options) Check() error {
	return chip.JoinErrors(o.I2COptions.Check(), o.levelOptions.Check())
}

// EMC2101 drives a fan, counts its turns and measures two temperatures.
func EMC2101(b *bus.Buses) drivers.Driver {
	measured := []drivers.Channel{{Name: "speed", Unit: "rpm", Min: 0, Max: 30000}, chip.Temperature(-64, 127), {Name: "ambient", Unit: "°C", Min: -40, Max: 125}}
	return chip.Driver[*emc2101Options]{
		Name:      "emc2101",
		Summary:   "Microchip EMC2101: a fan's duty and speed, two temperatures",
		Addresses: []uint16{0x4c},
		Every:     2 * time.Second,
		Channels:  append([]drivers.Channel{level("duty")}, measured...),
		Options:   func() *emc2101Options { return &emc2101Options{} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *emc2101Options, _ chip.Config) (chip.Device, error) {
			id, err := d.U8(ctx, emcID)
			if err != nil {
				return nil, err
			}
			if id != 0x16 && id != 0x28 {
				return nil, chip.WrongChip("emc2101", uint32(id), nil)
			}
			fan := &emc2101{d: d}
			if err := writeSettings(ctx, d, emcSettings); err != nil {
				return nil, err
			}
			l, err := openLevels(ctx, fan, []*outputLevel{{name: "duty", o: &o.levelOptions}})
			if err != nil {
				return nil, err
			}
			return emcDevice{l.(*levels), fan, measured}, nil
		},
	}.On(b)
}

// emcSettings come with all that another program may have left: its table, a voltage instead of
// pulses, the other polarity, a temperature that is made up. emcConfig and emcFan are others
// after power-on.
var emcSettings = []setting{{emcFan, true, 0xff, emcByHand}, {emcConfig, true, 0xff, emcTachometer}, {emcSteps, true, 0xff, emcHalf}, {emcDivide, true, 0xff, 1}, {0x04, true, 0x0f, 0x08}}

type emc2101 struct {
	d    *bus.Dev
	duty uint16
}

func (f *emc2101) set(ctx context.Context, _ int, percent float64) error {
	f.duty = code(percent, 2*emcHalf)
	return f.d.Write(ctx, emcDuty, byte(f.duty))
}

func (f *emc2101) check(ctx context.Context) error {
	return checkSettings(ctx, f.d, append([]setting{{emcDuty, true, 0xff, f.duty}}, emcSettings...))
}

// emcDevice is the fan as an output, and what is measured.
type emcDevice struct {
	*levels
	fan      *emc2101
	channels []drivers.Channel
}

// Poll implements chip.Device. The chip is not known to read on from one register to the next.
func (e emcDevice) Poll(ctx context.Context) ([]drivers.Reading, error) {
	var b [5]byte
	// Which byte is first holds the other: the low one of the speed, the high one of the temperature.
	for i, reg := range []byte{emcInside, emcOutside, emcOutsideLow, emcTach, emcTach + 1} {
		var err error
		if b[i], err = e.fan.d.U8(ctx, reg); err != nil {
			return nil, err
		}
	}
	rs, err := e.levels.Poll(ctx) // and sees that the settings are still there
	if err != nil {
		return nil, err
	}
	v := make([]float64, 3)
	if turns := uint16(b[4])<<8 | uint16(b[3]); turns != emcStands {
		v[0] = emcPerMinute / float64(max(turns, 1)) // nothing is beyond the range
	}
	outside := uint16(b[1])<<8 | uint16(b[2])
	v[1], v[2] = float64(int16(outside)>>5)/8, float64(int8(b[0]))
	switch outside {
	case 0x7f00:
		err = chip.Fault("temperature", errors.New("the diode is open (none is wired?)"))
	case 0x7fe0:
		err = chip.Fault("temperature", errors.New("the diode is shorted"))
	}
	return append(rs, chip.Readings(e.channels, v)...), err
}
