package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chip"
)

// max31855Gain are the millivolts a degree that the parts for each type (MAX31855K, J, …)
// take the thermocouple to have, everywhere. Data sheet 19-5793, table 1.
var max31855Gain = map[string]float64{"K": 0.041276, "J": 0.057953, "N": 0.036256, "T": 0.05218, "E": 0.076373, "R": 0.010506, "S": 0.009587}

type max31855Options struct {
	chip.SPIOptions
	Type   string `toml:"type" example:"\"K\"" doc:"The thermocouple that the part is for, the last letter of MAX31855K: K, J, N, T, E, R or S."`
	Linear bool   `toml:"linear" doc:"Publishes the chip's own number, which is degrees off far from 25 °C, and not the one of NIST's table (types K, J, N, T, E)."`
}

// Check implements drivers.Checker.
func (o *max31855Options) Check() error {
	var err error
	if _, ok := max31855Gain[o.Type]; !ok {
		err = &drivers.KeyError{Key: "type", Problem: fmt.Sprintf("found %q", o.Type), Expected: "K, J, N, T, E, R or S"}
	}
	return adapter.JoinErrors(o.SPIOptions.Check(), err)
}

// Outputs implements drivers.Outputter.
func (o *max31855Options) Outputs() []drivers.Channel { return thermocoupleChannels(o.Type, 125) }

// thermocoupleChannels: the hot end, and the cold one, which is the chip.
func thermocoupleChannels(t string, ambient float64) []drivers.Channel {
	lo, hi := thermocoupleRange(t)
	return []drivers.Channel{adapter.Temperature(lo, hi), {Name: "ambient", Unit: "°C", Min: -55, Max: ambient}}
}

// MAX31855 measures with a thermocouple. Data sheet 19-5793, "Serial interface".
func MAX31855(b *bus.Buses) drivers.Driver {
	return chip.Driver[*max31855Options]{
		Name:    "max31855",
		Summary: "Maxim MAX31855: temperature with a thermocouple",
		Hertz:   4_000_000,
		Every:   2 * time.Second,
		Needs:   adapter.Need("ambient", "temperature"),
		Options: func() *max31855Options { return &max31855Options{Type: "K"} },
		Open: func(_ context.Context, d *bus.Dev, o *max31855Options, _ drivers.DeviceConfig) (adapter.Device, error) {
			return adapter.Numbers(o.Outputs(), func(ctx context.Context) ([]float64, error) {
				b, err := d.Read(ctx, 4)
				if err != nil {
					return nil, err
				}
				return decodeMAX31855(b, o)
			}), nil
		},
	}.On(b)
}

// decodeMAX31855: table 2 of the data sheet. Fault bits cost the temperature; what the
// chip has itself is right all the same.
func decodeMAX31855(b []byte, o *max31855Options) ([]float64, error) {
	if err := chip.NothingThere(b); err != nil {
		return nil, err
	}
	w := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	if w&(1<<17|1<<3) != 0 { // reserved, and always zero
		return nil, fmt.Errorf("%w: % x is no answer of a MAX31855 (another chip on this select?)", drivers.ErrNoAnswer, b)
	}
	ambient := float64(int16(w)>>4) * 0.0625
	switch {
	case w&0x01 != 0:
		return []float64{math.NaN(), ambient}, adapter.Fault("temperature", errors.New("the thermocouple is not connected"))
	case w&0x02 != 0:
		return []float64{math.NaN(), ambient}, adapter.Fault("temperature", errors.New("the thermocouple touches ground"))
	case w&0x04 != 0:
		return []float64{math.NaN(), ambient}, adapter.Fault("temperature", errors.New("the thermocouple touches the supply"))
	case w&(1<<16) != 0:
		return []float64{math.NaN(), ambient}, adapter.Fault("temperature", errors.New("the chip reports a fault and does not say which"))
	}
	shown := float64(int32(w)>>18) * 0.25
	e, known := emfs[o.Type]
	if o.Linear || !known {
		return []float64{shown, ambient}, nil
	}
	// What the chip measured, by its own straight line, and NIST's temperature for it.
	mv := max31855Gain[o.Type]*(shown-ambient) + e.at(ambient)
	celsius := e.temperature(mv)
	if math.IsNaN(celsius) {
		return []float64{celsius, ambient}, adapter.Fault("temperature", fmt.Errorf("%.3f mV are beyond a thermocouple of type %s", mv, o.Type))
	}
	return []float64{celsius, ambient}, nil
}
