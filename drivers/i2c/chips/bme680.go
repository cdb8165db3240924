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

// Registers of BME680 and BME688. BST-BME680-DS001 section 5.2, table 20.
const (
	bme6Field    = 0x1d // status, then from 0x1f the results
	bme6ResHeat  = 0x5a
	bme6GasWait  = 0x64
	bme6CtrlGas0 = 0x70 // bit 3: heater off
	bme6CtrlGas1 = 0x71
	bme6CtrlHum  = 0x72
	bme6CtrlMeas = 0x74
	bme6Config   = 0x75
	bme6Variant  = 0xf0 // 1: BME688
	bme6NewData  = 0x80
	bme6GasValid = 0x20
	bme6HeatOK   = 0x10
)

// bme6Warmup is how many measurements in a row may have no gas before that is a fault.
const bme6Warmup = 3

var errUnsteady = errors.New("its heater does not reach the temperature (try: a longer heat, or a lower heater)")

// BME680 measures temperature, pressure, humidity and the resistance of a gas sensor:
// BME680, BME688. An air quality index needs Bosch's closed library and is not made up here.
func BME680(b *bus.Buses) drivers.Driver {
	return chip.Driver[*bme680Options]{
		Name:      "bme680",
		Summary:   "Bosch BME680, BME688: temperature, pressure, humidity, gas resistance (no air quality index: that needs a closed library)",
		Addresses: []uint16{0x76, 0x77},
		Every:     30 * time.Second,
		Channels: []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(30000, 110000), chip.Humidity(),
			{Name: "gas", Unit: "Ω", Min: 1, Max: 200e6}},
		Needs: chip.Need("temperature", "pressure", "humidity"),
		Options: func() *bme680Options {
			return &bme680Options{Oversampling: 2, Heater: 320, Heat: 150 * time.Millisecond}
		},
		Open: func(ctx context.Context, d *bus.Dev, o *bme680Options) (chip.Read, error) {
			id, err := d.U8(ctx, bmeID)
			if err != nil {
				return nil, err
			}
			if id != 0x61 {
				return nil, chip.WrongChip("bme680", uint32(id), boschIDs)
			}
			c := &bme680{d: d, o: o, ambient: 25}
			if c.osrs, err = boschOversampling(o.Oversampling); err != nil {
				return nil, err
			}
			// Asleep, whatever another program left it doing.
			if err := d.Write(ctx, bme6CtrlMeas, 0); err != nil {
				return nil, err
			}
			return c.read, c.readCalibration(ctx)
		},
	}.On(b)
}

type bme680 struct {
	d       *bus.Dev
	o       *bme680Options
	osrs    byte
	cal     bme680Calibration
	gasHigh bool    // the BME688's other converter
	ambient float64 // °C, for the heater
	// unsteady counts measurements in a row in which the plate was not hot.
	unsteady int
}

func (c *bme680) readCalibration(ctx context.Context) error {
	variant, err := c.d.U8(ctx, bme6Variant)
	if err != nil {
		return err
	}
	c.gasHigh = variant == 1
	a, err := c.d.Reg(ctx, 0x8a, 23)
	if err != nil {
		return err
	}
	b, err := c.d.Reg(ctx, 0xe1, 14)
	if err != nil {
		return err
	}
	g, err := c.d.Reg(ctx, 0x00, 5)
	if err != nil {
		return err
	}
	if allBytes(a, 0x00) || allBytes(a, 0xff) || allBytes(b, 0x00) || allBytes(b, 0xff) {
		return chip.ErrNoCalibration
	}
	c.cal = decodeBME680(a, b, g)
	return nil
}

// read runs one forced measurement: settings, heater, go; all written each time.
// Section 3.2.
func (c *bme680) read(ctx context.Context) ([]float64, error) {
	gas := byte(0)
	switch {
	case c.o.Heater == 0:
	case c.gasHigh:
		gas = 0x20
	default:
		gas = 0x10
	}
	meas := c.osrs<<5 | c.osrs<<2
	for _, set := range [][2]byte{
		{bme6CtrlHum, c.osrs}, {bme6Config, 0},
		{bme6ResHeat, c.cal.heater(c.o.Heater, c.ambient)}, {bme6GasWait, gasWait(c.o.Heat)},
		{bme6CtrlGas0, 0}, {bme6CtrlGas1, gas}, // the heater not off
		{bme6CtrlMeas, meas | bmeForced},
	} {
		if err := c.d.Write(ctx, set[0], set[1]); err != nil {
			return nil, err
		}
	}
	f, err := c.await(ctx)
	if err != nil {
		return nil, err
	}
	set, err := c.d.Reg(ctx, bme6CtrlGas0, 5)
	if err != nil {
		return nil, err
	}
	if set[0]&0x08 != 0 || set[1]&0x30 != gas || set[2]&7 != c.osrs || set[4] != meas {
		return nil, chip.ErrReset
	}
	out := c.decode(f, gas != 0)
	if gas == 0 || !math.IsNaN(out[3]) {
		c.unsteady = 0
		return out, nil
	}
	// The first measurements may come before the plate is hot.
	if c.unsteady++; c.unsteady < bme6Warmup {
		return out, nil
	}
	return out, chip.Fault("gas", errUnsteady)
}

// await waits for the measurement (Bosch's driver: 1963 µs a sample, 477 µs five and four
// times, a millisecond, and the heating) and returns the fields.
func (c *bme680) await(ctx context.Context) ([]byte, error) {
	samples := time.Duration(3) << (c.osrs - 1)
	wait := samples*1963*time.Microsecond + 9*477*time.Microsecond + time.Millisecond
	if c.o.Heater != 0 {
		wait += c.o.Heat
	}
	for range 6 {
		if err := bus.Sleep(ctx, wait); err != nil {
			return nil, err
		}
		f, err := c.d.Reg(ctx, bme6Field, 17)
		if err != nil {
			return nil, err
		}
		if f[0]&bme6NewData != 0 && f[0] != 0xff {
			return f, nil
		}
		wait = max(wait/8, 5*time.Millisecond)
	}
	return nil, chip.ErrNoData
}

func (c *bme680) decode(f []byte, gas bool) []float64 {
	p := float64(uint32(f[2])<<12 | uint32(f[3])<<4 | uint32(f[4])>>4)
	t := float64(uint32(f[5])<<12 | uint32(f[6])<<4 | uint32(f[7])>>4)
	h := float64(uint16(f[8])<<8 | uint16(f[9]))
	celsius, fine := c.cal.temperature(t)
	c.ambient = celsius
	out := []float64{celsius, c.cal.pressure(p, fine), c.cal.humidity(h, celsius), math.NaN()}
	at := 13
	if c.gasHigh {
		at = 15
	}
	// Without a steady heater there is a number, but not one of gas.
	if gas && f[at+1]&(bme6GasValid|bme6HeatOK) == bme6GasValid|bme6HeatOK {
		raw := float64(uint16(f[at])<<2 | uint16(f[at+1])>>6)
		out[3] = c.cal.gas(raw, f[at+1]&0x0f, c.gasHigh)
	}
	return out
}

// gasWait codes a time: six bits of milliseconds times a power of four.
func gasWait(d time.Duration) byte {
	ms, factor := int(d/time.Millisecond), 0
	for ms > 0x3f && factor < 3 {
		ms /= 4
		factor++
	}
	return byte(min(ms, 0x3f) | factor<<6)
}

type bme680Options struct {
	chip.I2COptions
	Oversampling int           `toml:"oversampling" example:"4" doc:"Measurements that are averaged: 1, 2, 4, 8 or 16."`
	Heater       int           `toml:"heater" example:"320" doc:"The temperature of the gas sensor's plate in °C, 200 to 400; 0: no gas."`
	Heat         time.Duration `toml:"heat" doc:"How long it is heated before the gas is measured."`
}

// Check implements drivers.Checker.
func (o *bme680Options) Check() error {
	_, err := boschOversampling(o.Oversampling)
	errs := []error{o.I2COptions.Check(), err}
	if o.Heater != 0 && (o.Heater < 200 || o.Heater > 400) {
		errs = append(errs, &drivers.KeyError{Key: "heater", Problem: fmt.Sprintf("found %d", o.Heater), Expected: "200 to 400 °C, or 0 for no gas"})
	}
	if o.Heat < time.Millisecond || o.Heat > 4032*time.Millisecond {
		errs = append(errs, &drivers.KeyError{Key: "heat", Problem: fmt.Sprintf("found %v", o.Heat), Expected: "1ms to 4032ms", Try: `heat = "150ms"`})
	}
	return chip.JoinErrors(errs...)
}
