package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// hts221Calibration are two points of humidity and two of temperature, as raw numbers and
// what they stand for.
type hts221Calibration struct{ rh, rhOut, t, tOut [2]float64 }

// HTS221 measures humidity and temperature. Registers, coefficients and formula as in
// esp-idf-lib's hts221, the pin's as in ST's hts221_reg.h, read.
func HTS221(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.ReadyOptions]{
		Name:      "hts221",
		Summary:   "ST HTS221: temperature, humidity",
		Addresses: []uint16{0x5f},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 120), chip.Humidity()},
		Options:   chip.NoReadyOptions,
		IRQ:       chip.IRQ{High: true, Ready: true},
		Open: func(ctx context.Context, d *bus.Dev, o *chip.ReadyOptions) (chip.Read, error) {
			measure, err := hts221.open(ctx, d, o.IRQ != "")
			if err != nil {
				return nil, err
			}
			raw, err := d.Reg(ctx, 0x30|hts221.burst, 16)
			if err != nil {
				return nil, err
			}
			c := decodeHTS221(raw)
			if c.rhOut[0] == c.rhOut[1] || c.tOut[0] == c.tOut[1] {
				return nil, chip.ErrNoCalibration
			}
			return func(ctx context.Context) ([]float64, error) { return readHTS221(ctx, measure, c) }, nil
		},
	}.On(b)
}

// hts221 is on, with halves of one measurement, on demand; 0 after power-on. Bit 1 of the
// second register is its heater.
var hts221 = demand{name: "hts221", id: 0xbc, config: 0x20, start: 0x21, settings: 0x84, shot: 0x01, kept: 0x02, burst: 0x80, data: 4, free: 0x85, drdy: [2]byte{0x22, 0x04}}

func decodeHTS221(b []byte) (c hts221Calibration) {
	s := func(i int) float64 { return float64(int16(uint16(b[i]) | uint16(b[i+1])<<8)) }
	c.rh = [2]float64{float64(b[0]) / 2, float64(b[1]) / 2}
	c.t = [2]float64{float64(uint16(b[2])|uint16(b[5]&0x03)<<8) / 8, float64(uint16(b[3])|uint16(b[5]&0x0c)<<6) / 8}
	c.rhOut, c.tOut = [2]float64{s(6), s(10)}, [2]float64{s(12), s(14)}
	return c
}

// between is the straight line through two points.
func between(x float64, at, is [2]float64) float64 {
	return is[0] + (x-at[0])*(is[1]-is[0])/(at[1]-at[0])
}

func readHTS221(ctx context.Context, measure func(context.Context) ([]byte, error), c hts221Calibration) ([]float64, error) {
	b, err := measure(ctx)
	if err != nil || b == nil {
		return nil, err
	}
	rh := between(float64(int16(uint16(b[0])|uint16(b[1])<<8)), c.rhOut, c.rh)
	t := between(float64(int16(uint16(b[2])|uint16(b[3])<<8)), c.tOut, c.t)
	return []float64{t, min(max(rh, 0), 100)}, nil // beyond by its calibration, in fog and in dry air
}
