package chips

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chip"
)

type max31865Options struct {
	chip.SPIOptions
	RTD       string      `toml:"rtd" example:"\"PT1000\"" doc:"The sensor: PT100 or PT1000."`
	Wires     int         `toml:"wires" example:"3" doc:"The wires of the sensor: 2, 3 or 4."`
	Reference adapter.Ohm `toml:"reference" example:"\"430 ohm\"" doc:"The resistor on the board: default \"430 ohm\" for a PT100, \"4300 ohm\" for a PT1000."`
	Mains     int         `toml:"mains" example:"60" doc:"The frequency that is filtered out: 50 or 60 Hz."`
}

// Check implements drivers.Checker.
func (o *max31865Options) Check() error {
	errs := []error{o.SPIOptions.Check(), checkMains(o.Mains)}
	if o.RTD != "PT100" && o.RTD != "PT1000" {
		errs = append(errs, &drivers.KeyError{Key: "rtd", Problem: fmt.Sprintf("found %q", o.RTD), Expected: "PT100 or PT1000"})
	}
	if o.Wires < 2 || o.Wires > 4 {
		errs = append(errs, &drivers.KeyError{Key: "wires", Problem: fmt.Sprintf("found %d", o.Wires), Expected: "2, 3 or 4"})
	}
	return adapter.JoinErrors(errs...)
}

// ohms are the resistances at 0 °C, and on the board.
func (o *max31865Options) ohms() (zero, reference float64) {
	zero = 100
	if o.RTD == "PT1000" {
		zero = 1000
	}
	if o.Reference != 0 {
		return zero, float64(o.Reference)
	}
	return zero, 4.3 * zero
}

// MAX31865 measures with a platinum resistor. Data sheet 19-6478, register map; written
// registers have bit 7.
func MAX31865(b *bus.Buses) drivers.Driver {
	channels := []drivers.Channel{adapter.Temperature(-200, 850), {Name: "resistance", Unit: "Ω", Min: 1, Max: 4500}}
	return chip.Driver[*max31865Options]{
		Name:     "max31865",
		Summary:  "Maxim MAX31865: temperature with a PT100 or PT1000",
		Mode:     spi.Mode1,
		Hertz:    5_000_000,
		Every:    2 * time.Second,
		Channels: channels,
		Needs:    adapter.Need("resistance", "temperature"),
		Options:  func() *max31865Options { return &max31865Options{RTD: "PT100", Wires: 2, Mains: 50} },
		Open: func(_ context.Context, d *bus.Dev, o *max31865Options, _ drivers.DeviceConfig) (adapter.Device, error) {
			return adapter.Numbers(channels, func(ctx context.Context) ([]float64, error) { return readMAX31865(ctx, d, o) }), nil
		},
	}.On(b)
}

// Bits of the MAX31865's configuration.
const (
	m65Write     = 0x80
	m65Bias      = 0x80
	m65OneShot   = 0x20
	m65Three     = 0x10
	m65Clear     = 0x02
	m65Filter50  = 0x01
	m65BiasTakes = 11 * time.Millisecond // "10.5 time constants" of the board's filter, plus 1 ms
)

// readMAX31865 writes all settings, puts the bias on, converts once and reads everything
// in one burst. Then the bias is off again: it warms the resistor.
func readMAX31865(ctx context.Context, d *bus.Dev, o *max31865Options) ([]float64, error) {
	config, takes := byte(m65Bias), 55*time.Millisecond
	if o.Mains == 50 {
		config, takes = m65Bias|m65Filter50, 66*time.Millisecond
	}
	if o.Wires == 3 {
		config |= m65Three
	}
	// The widest limits, which another program may have set: a fault of a limit is none here.
	limits := []byte{0xff, 0xff, 0x00, 0x00}
	if _, err := d.Transfer(ctx, append([]byte{m65Write | 0x03}, limits...)...); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		config byte
		wait   time.Duration
	}{{config | m65Clear, 0}, {config, m65BiasTakes}, {config | m65OneShot, takes}} {
		if _, err := d.Transfer(ctx, m65Write, step.config); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, step.wait); err != nil {
			return nil, err
		}
	}
	b, err := d.Reg(ctx, 0x00, 8)
	if err != nil {
		return nil, err
	}
	if _, err := d.Transfer(ctx, m65Write, config&^m65Bias); err != nil {
		return nil, err
	}
	return decodeMAX31865(b, config, limits, o)
}

func decodeMAX31865(b []byte, config byte, limits []byte, o *max31865Options) ([]float64, error) {
	if err := chip.NothingThere(b); err != nil {
		return nil, err
	}
	switch {
	case b[0] == config|m65OneShot:
		return nil, adapter.ErrNoData
	case b[0] != config || !bytes.Equal(b[3:7], limits):
		return nil, adapter.ErrReset
	}
	raw := uint16(b[1])<<8 | uint16(b[2])
	if raw&1 != 0 || b[7] != 0 {
		return nil, max31865Fault(b[7])
	}
	if raw == 0 || raw>>1 == 0x7fff {
		return nil, fmt.Errorf("the resistor reads as %s (not connected, or shorted)", map[bool]string{true: "nothing", false: "beyond the reference"}[raw == 0])
	}
	zero, reference := o.ohms()
	ohms := float64(raw>>1) * reference / 32768
	return []float64{platinum(ohms / zero), ohms}, nil
}

// max31865Fault: the fault status register, table 7.
func max31865Fault(f byte) error {
	switch {
	case f&0x04 != 0:
		return errors.New("the voltage at an input is beyond the supply or ground")
	case f&0x20 != 0:
		return errors.New("REFIN- is above 85 % of the bias (is the resistor connected?)")
	case f&0x10 != 0:
		return errors.New("REFIN- is below 85 % of the bias: FORCE- is open (wires?)")
	case f&0x08 != 0:
		return errors.New("RTDIN- is below 85 % of the bias: FORCE- is open (wires?)")
	}
	return fmt.Errorf("the chip reports fault 0x%02x (resistor open or shorted?)", f)
}

// platinum is the temperature of a resistance relative to that at 0 °C. IEC 60751:
// 1 + A·t + B·t², and below 0 °C also C·(t-100)·t³, for which there is no formula the other
// way round: bisection.
func platinum(ratio float64) float64 {
	const a, b, c = 3.9083e-3, -5.775e-7, -4.183e-12
	if ratio >= 1 {
		return (-a + math.Sqrt(a*a-4*b*(1-ratio))) / (2 * b)
	}
	lo, hi := -250.0, 0.0
	for range 50 {
		t := (lo + hi) / 2
		if 1+a*t+b*t*t+c*(t-100)*t*t*t < ratio {
			lo = t
		} else {
			hi = t
		}
	}
	return (lo + hi) / 2
}
