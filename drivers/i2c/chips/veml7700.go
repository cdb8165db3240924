package chips

import (
	"context"
	"errors"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

var errTooBright = errors.New("brighter than it can measure")

func light(most float64, more ...drivers.Channel) []drivers.Channel {
	return append([]drivers.Channel{{Name: "illuminance", Unit: "lx", Min: 0, Max: most}}, more...)
}

// exposure is one way to measure light: how long and how sensitive.
type exposure struct {
	config uint16
	takes  time.Duration
	lux    float64 // per count
}

// vemlExposures from the least sensitive on. Designing the VEML7700 Into an Application,
// table of resolutions: 0.0042 lx a count with gain 2 and 800 ms (0.0036 up to data sheet
// revision 1.6).
var vemlExposures = []exposure{
	{0x1300, 25 * time.Millisecond, 0.0042 * 16 * 32}, // gain 1/8
	{0x1000, 100 * time.Millisecond, 0.0042 * 16 * 8},
	{0x0840, 200 * time.Millisecond, 0.0042 * 4}, // gain 2
}

// VEML7700 measures light, with a range chosen by what it sees: VEML7700, VEML6030.
func VEML7700(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "veml7700",
		summary:  "Vishay VEML7700: light",
		addrs:    []uint16{0x10},
		every:    10 * time.Second,
		channels: light(170000),
		options:  plain,
		open: func(_ context.Context, d *bus.Dev, _ *At) (read, error) {
			return func(ctx context.Context) ([]float64, error) {
				e := vemlExposures[1]
				raw, err := measureVEML7700(ctx, d, e)
				switch {
				case err != nil:
					return nil, err
				case raw > 60000:
					e = vemlExposures[0]
				case raw < 1000:
					e = vemlExposures[2]
				default:
					return []float64{linear(float64(raw) * e.lux)}, nil
				}
				if raw, err = measureVEML7700(ctx, d, e); err != nil {
					return nil, err
				}
				if raw == 0xffff {
					return nil, errTooBright
				}
				return []float64{linear(float64(raw) * e.lux)}, nil
			}, nil
		},
	}.driver(b)
}

// measureVEML7700 sets an exposure, waits for two of it (the first may have begun under
// the settings before), reads, and sees that the settings are still there: after power-on
// the chip is shut down.
func measureVEML7700(ctx context.Context, d *bus.Dev, e exposure) (uint16, error) {
	const config, als = 0x00, 0x04
	if err := d.Write(ctx, config, byte(e.config), byte(e.config>>8)); err != nil {
		return 0, err
	}
	if err := bus.Sleep(ctx, 5*time.Millisecond+e.takes*22/10); err != nil {
		return 0, err
	}
	raw, err := d.LE16(ctx, als)
	if err != nil {
		return 0, err
	}
	got, err := d.LE16(ctx, config)
	if err == nil && got != e.config {
		err = errReset
	}
	return raw, err
}

// linear straightens what the chip shows of bright light. Same application note.
func linear(lux float64) float64 {
	if lux <= 1000 {
		return lux
	}
	return 6.0135e-13*math.Pow(lux, 4) - 9.3924e-9*math.Pow(lux, 3) + 8.1488e-5*lux*lux + 1.0023*lux
}

// TSL2561 measures light in two colours. TAOS059 "Register Set".
func TSL2561(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "tsl2561",
		summary:  "TAOS TSL2561: light",
		addrs:    []uint16{0x29, 0x39, 0x49},
		every:    10 * time.Second,
		channels: light(80000),
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			id, err := d.U8(ctx, 0x8a)
			if err != nil {
				return nil, err
			}
			if part := id >> 4; part != 1 && part != 5 { // CS and T package
				return nil, wrongChip("tsl2561", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				// 402 ms, 16 times; if that is too bright, 13.7 ms, once.
				ch0, ch1, err := measureTSL2561(ctx, d, 0x12, 402*time.Millisecond)
				if err == nil && (ch0 > 60000 || ch1 > 60000) {
					ch0, ch1, err = measureTSL2561(ctx, d, 0x00, 13700*time.Microsecond)
					if err == nil && (ch0 >= 5047 || ch1 >= 5047) {
						err = errTooBright
					}
					// To the scale of the equations.
					ch0, ch1 = ch0*16*402/13.7, ch1*16*402/13.7
				}
				return []float64{luxTSL2561(ch0, ch1, id>>4 == 1)}, err
			}, nil
		},
	}.driver(b)
}

// measureTSL2561 powers up, integrates once, and sees that the power is still on: it is
// off after a reset.
func measureTSL2561(ctx context.Context, d *bus.Dev, timing byte, takes time.Duration) (ch0, ch1 float64, err error) {
	const control, timingReg, data = 0x80, 0x81, 0x8c
	for _, set := range [][2]byte{{control, 0x00}, {timingReg, timing}, {control, 0x03}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return 0, 0, err
		}
	}
	if err := bus.Sleep(ctx, takes*12/10); err != nil {
		return 0, 0, err
	}
	var raw [2]uint16
	for i := range raw {
		// As words, so that both bytes are of one measurement.
		if raw[i], err = d.LE16(ctx, data|0x20+byte(2*i)); err != nil {
			return 0, 0, err
		}
	}
	got, err := d.Reg(ctx, control|0x20, 2)
	if err == nil && (got[0]&0x0f != 0x03 || got[1] != timing) {
		err = errReset
	}
	return float64(raw[0]), float64(raw[1]), err
}

// luxTSL2561: TAOS059 "Calculating Lux", by the ratio of the two colours.
func luxTSL2561(ch0, ch1 float64, cs bool) float64 {
	if ch0 == 0 {
		return 0
	}
	r := ch1 / ch0
	lux := 0.0
	switch {
	case cs && r <= 0.52:
		lux = 0.0315*ch0 - 0.0593*ch0*math.Pow(r, 1.4)
	case cs && r <= 0.65:
		lux = 0.0229*ch0 - 0.0291*ch1
	case cs && r <= 0.80:
		lux = 0.0157*ch0 - 0.0180*ch1
	case cs && r <= 1.30:
		lux = 0.00338*ch0 - 0.00260*ch1
	case cs:
	case r <= 0.50:
		lux = 0.0304*ch0 - 0.062*ch0*math.Pow(r, 1.4)
	case r <= 0.61:
		lux = 0.0224*ch0 - 0.031*ch1
	case r <= 0.80:
		lux = 0.0128*ch0 - 0.0153*ch1
	case r <= 1.30:
		lux = 0.00146*ch0 - 0.00112*ch1
	}
	return max(lux, 0)
}

// TSL2591 measures light in two colours with a wide range. ams TSL2591 register set.
func TSL2591(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "tsl2591",
		summary:  "ams TSL2591: light",
		addrs:    []uint16{0x29},
		every:    10 * time.Second,
		channels: light(120000),
		options:  plain,
		open: func(ctx context.Context, d *bus.Dev, _ *At) (read, error) {
			id, err := d.U8(ctx, 0xb2)
			if err != nil {
				return nil, err
			}
			if id != 0x50 {
				return nil, wrongChip("tsl2591", uint32(id), nil)
			}
			return func(ctx context.Context) ([]float64, error) {
				// 25 times first, then 428 times in the dark, or once in the sun.
				gain, control := 25.0, byte(0x10)
				ch0, ch1, err := measureTSL2591(ctx, d, control)
				switch {
				case err != nil:
					return nil, err
				case ch0 < 200:
					gain, control = 428, 0x20
				case ch0 >= 36000 || ch1 >= 36000:
					gain, control = 1, 0x00
				}
				if control != 0x10 {
					if ch0, ch1, err = measureTSL2591(ctx, d, control); err != nil {
						return nil, err
					}
				}
				if ch0 >= 36863 || ch1 >= 36863 { // full scale of 100 ms
					return nil, errTooBright
				}
				return []float64{luxTSL2591(ch0, ch1, gain)}, nil
			}, nil
		},
	}.driver(b)
}

// measureTSL2591 integrates once for 100 ms; enabling starts it.
func measureTSL2591(ctx context.Context, d *bus.Dev, control byte) (ch0, ch1 float64, err error) {
	const enable, controlReg, status, data = 0xa0, 0xa1, 0xb3, 0xb4
	for _, set := range [][2]byte{{enable, 0x00}, {controlReg, control}, {enable, 0x03}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return 0, 0, err
		}
	}
	if err := bus.Sleep(ctx, 120*time.Millisecond); err != nil {
		return 0, 0, err
	}
	s, err := d.U8(ctx, status)
	if err != nil {
		return 0, 0, err
	}
	b, err := d.Reg(ctx, data, 4)
	if err != nil {
		return 0, 0, err
	}
	got, err := d.Reg(ctx, enable, 2)
	switch {
	case err != nil:
		return 0, 0, err
	case got[0] != 0x03 || got[1] != control:
		return 0, 0, errReset
	case s&0x01 == 0:
		return 0, 0, errNoData
	}
	return float64(uint16(b[0]) | uint16(b[1])<<8), float64(uint16(b[2]) | uint16(b[3])<<8), nil
}

// luxTSL2591: the maker publishes no equation for this chip. This is the one in general
// use, of Adafruit's driver: counts per lux by 408, infrared taken off.
func luxTSL2591(ch0, ch1, gain float64) float64 {
	if ch0 == 0 {
		return 0
	}
	const ms, factor = 100, 408
	return max((ch0-ch1)*(1-ch1/ch0)*factor/(ms*gain), 0)
}
