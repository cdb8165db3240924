package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chip"
)

type max31856Options struct {
	chip.SPIOptions
	Type  string `toml:"type" example:"\"K\"" doc:"The thermocouple: B, E, J, K, N, R, S or T."`
	Mains int    `toml:"mains" example:"60" doc:"The frequency that is filtered out: 50 or 60 Hz."`
}

// Check implements drivers.Checker.
func (o *max31856Options) Check() error {
	return adapter.JoinErrors(o.SPIOptions.Check(), checkType(o.Type), checkMains(o.Mains))
}

func checkMains(hz int) error {
	if hz == 50 || hz == 60 {
		return nil
	}
	return &drivers.KeyError{Key: "mains", Problem: fmt.Sprintf("found %d", hz), Expected: "50 or 60"}
}

// Outputs implements drivers.Outputter.
func (o *max31856Options) Outputs() []drivers.Channel { return thermocoupleChannels(o.Type, 125) }

// MAX31856 measures with a thermocouple of any type and linearises itself. Data sheet
// 19-7534, register map; written registers have bit 7.
func MAX31856(b *bus.Buses) drivers.Driver {
	return chip.Driver[*max31856Options]{
		Name:    "max31856",
		Summary: "Maxim MAX31856: temperature with a thermocouple of any type",
		Mode:    spi.Mode1,
		Hertz:   5_000_000,
		Every:   2 * time.Second,
		Needs:   adapter.Need("ambient", "temperature"),
		Options: func() *max31856Options { return &max31856Options{Type: "K", Mains: 50} },
		Open: func(_ context.Context, d *bus.Dev, o *max31856Options, _ drivers.DeviceConfig) (adapter.Device, error) {
			return adapter.Numbers(o.Outputs(), func(ctx context.Context) ([]float64, error) { return readMAX31856(ctx, d, o) }), nil
		},
	}.On(b)
}

// Registers and bits of the MAX31856.
const (
	m56Write     = 0x80
	m56OneShot   = 0x40 // of CR0
	m56OpenCheck = 0x10 // of CR0: for less than 5 kΩ
	m56Filter50  = 0x01 // of CR0; only while nothing is converted
	m56Mask      = 0x02
	m56Masked    = 0xff // as after power-on
)

// readMAX31856 writes all settings, none of which is what it is after power-on, converts
// once and reads everything in one burst: settings that are another tell of a reset.
func readMAX31856(ctx context.Context, d *bus.Dev, o *max31856Options) ([]float64, error) {
	cr0, takes := byte(m56OpenCheck), 155*time.Millisecond
	if o.Mains == 50 {
		cr0, takes = m56OpenCheck|m56Filter50, 185*time.Millisecond
	}
	cr1 := byte(strings.Index(thermocoupleTypes, o.Type)) | 0x10 // two samples averaged
	// Idle; CR1, no fault pin, the widest limits, no offset of the cold end.
	settings := []byte{cr0, cr1, m56Masked, 0x7f, 0x80, 0x7f, 0xff, 0x80, 0x00, 0x00}
	if _, err := d.Transfer(ctx, append([]byte{m56Write}, settings...)...); err != nil {
		return nil, err
	}
	if _, err := d.Transfer(ctx, m56Write, cr0|m56OneShot); err != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, takes+60*time.Millisecond); err != nil { // the second sample, and the check for an open wire
		return nil, err
	}
	b, err := d.Reg(ctx, 0x00, 16)
	if err != nil {
		return nil, err
	}
	if err := chip.NothingThere(b); err != nil {
		return nil, err
	}
	for i, want := range settings {
		switch {
		case i == 0 && b[0] == cr0|m56OneShot:
			return nil, adapter.ErrNoData
		case i != m56Mask && b[i] != want: // two bits of the mask are reserved
			return nil, adapter.ErrReset
		}
	}
	ambient := float64(int16(uint16(b[0x0a])<<8|uint16(b[0x0b]))>>2) / 64
	if why := max31856Fault(b[0x0f]); why != nil {
		return []float64{math.NaN(), ambient}, adapter.Fault("temperature", why)
	}
	hot := int32(uint32(b[0x0c])<<24|uint32(b[0x0d])<<16|uint32(b[0x0e])<<8) >> 13
	return []float64{float64(hot) / 128, ambient}, nil
}

// max31856Fault: the fault status register, 0x0f. Limits are not used, so their bits are
// no fault.
func max31856Fault(sr byte) error {
	switch {
	case sr&0x01 != 0:
		return errors.New("the thermocouple is not connected")
	case sr&0x02 != 0:
		return errors.New("the voltage at the thermocouple's inputs is beyond the supply or ground")
	case sr&0x40 != 0:
		return errors.New("the temperature is beyond what the type of thermocouple can measure")
	case sr&0x80 != 0:
		return errors.New("the chip itself is too cold or too hot")
	}
	return nil
}
