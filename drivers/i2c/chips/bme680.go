package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// Registers of BME680 and BME688. BST-BME680-DS001 section 5.2, table 20.
const (
	bme6Field    = 0x1d // status, then from 0x1f the results
	bme6ResHeat  = 0x5a
	bme6GasWait  = 0x64
	bme6CtrlGas1 = 0x71
	bme6CtrlHum  = 0x72
	bme6CtrlMeas = 0x74
	bme6Config   = 0x75
	bme6Variant  = 0xf0 // 1: BME688
	bme6NewData  = 0x80
	bme6GasValid = 0x20
	bme6HeatOK   = 0x10
)

// BME680 measures temperature, pressure, humidity and the resistance of a gas sensor:
// BME680, BME688. An air quality index needs Bosch's closed library and is not made up here.
func BME680(b *bus.Buses) drivers.Driver {
	return chip[*bme680Options]{
		name:    "bme680",
		summary: "Bosch BME680, BME688: temperature, pressure, humidity, gas resistance (no air quality index: that needs a closed library)",
		addrs:   []uint16{0x76, 0x77},
		every:   30 * time.Second,
		channels: []drivers.Channel{temperature(-40, 85), pressure(30000, 110000), humidity(),
			{Name: "gas", Unit: "Ω", Min: 1, Max: 200e6}},
		options: func() *bme680Options {
			return &bme680Options{Oversampling: 2, Heater: 320, Heat: 150 * time.Millisecond}
		},
		open: func(ctx context.Context, d *bus.Dev, o *bme680Options) (read, error) {
			id, err := d.U8(ctx, bmeID)
			if err != nil {
				return nil, err
			}
			if id != 0x61 {
				return nil, wrongChip("bme680", uint32(id), boschIDs)
			}
			c := &bme680{d: d, o: o, ambient: 25}
			if c.osrs, err = oversampling(o.Oversampling); err != nil {
				return nil, err
			}
			return c.read, c.readCalibration(ctx)
		},
	}.driver(b)
}

type bme680 struct {
	d       *bus.Dev
	o       *bme680Options
	osrs    byte
	cal     bme680Calibration
	gasHigh bool    // the BME688's other converter
	ambient float64 // °C, for the heater
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
	if same(a, 0x00) || same(a, 0xff) || same(b, 0x00) || same(b, 0xff) {
		return errNoCalibration
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
		{bme6ResHeat, c.cal.heater(c.o.Heater, c.ambient)}, {bme6GasWait, gasWait(c.o.Heat)}, {bme6CtrlGas1, gas},
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
	set, err := c.d.Reg(ctx, bme6CtrlGas1, 4)
	if err != nil {
		return nil, err
	}
	if set[0]&0x30 != gas || set[1]&7 != c.osrs || set[3] != meas {
		return nil, errReset
	}
	return c.decode(f, gas != 0), nil
}

// await waits for the measurement (Bosch's driver: 1963 µs a sample, 477 µs five and four
// times, a millisecond, and the heating) and gives the fields.
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
	return nil, errNoData
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

// bme680Calibration are the chip's coefficients. Section 3.11, table 11 and on.
type bme680Calibration struct {
	t1, t2, t3                              float64
	p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 float64
	h1, h2, h3, h4, h5, h6, h7              float64
	g1, g2, g3                              float64
	heatRange, heatValue, rangeError        float64
}

func decodeBME680(a, b, g []byte) bme680Calibration {
	u := func(b []byte, i int) float64 { return float64(uint16(b[i]) | uint16(b[i+1])<<8) }
	s := func(b []byte, i int) float64 { return float64(int16(uint16(b[i]) | uint16(b[i+1])<<8)) }
	s8 := func(b []byte, i int) float64 { return float64(int8(b[i])) }
	return bme680Calibration{
		t1: u(b, 8), t2: s(a, 0), t3: s8(a, 2),
		p1: u(a, 4), p2: s(a, 6), p3: s8(a, 8), p4: s(a, 10), p5: s(a, 12), p7: s8(a, 14), p6: s8(a, 15),
		p8: s(a, 18), p9: s(a, 20), p10: float64(a[22]),
		// Two 12-bit numbers share 0xe2.
		h2: float64(uint16(b[0])<<4 | uint16(b[1])>>4), h1: float64(uint16(b[2])<<4 | uint16(b[1])&0x0f),
		h3: s8(b, 3), h4: s8(b, 4), h5: s8(b, 5), h6: float64(b[6]), h7: s8(b, 7),
		g2: s(b, 10), g1: s8(b, 12), g3: s8(b, 13),
		heatValue: s8(g, 0), heatRange: float64(g[2] >> 4 & 3), rangeError: float64(int8(g[4]) >> 4),
	}
}

// temperature in °C and t_fine. The formulas are those of Bosch's BME68x_SensorAPI in
// floating point.
func (c *bme680Calibration) temperature(raw float64) (celsius, fine float64) {
	v1 := (raw/16384 - c.t1/1024) * c.t2
	v2 := raw/131072 - c.t1/8192
	fine = v1 + v2*v2*c.t3*16
	return fine / 5120, fine
}

func (c *bme680Calibration) pressure(raw, fine float64) float64 {
	v1 := fine/2 - 64000
	v2 := v1*v1*c.p6/131072 + v1*c.p5*2
	v2 = v2/4 + c.p4*65536
	v1 = (c.p3*v1*v1/16384 + c.p2*v1) / 524288
	v1 = (1 + v1/32768) * c.p1
	if v1 == 0 {
		return 0 // out of range, and no division by zero
	}
	p := (1048576 - raw - v2/4096) * 6250 / v1
	cube := p / 256 * p / 256 * p / 256
	return p + (c.p9*p*p/2147483648+p*c.p8/32768+cube*c.p10/131072+c.p7*128)/16
}

func (c *bme680Calibration) humidity(raw, celsius float64) float64 {
	v1 := raw - (c.h1*16 + c.h3/2*celsius)
	v2 := v1 * (c.h2 / 262144 * (1 + c.h4/16384*celsius + c.h5/1048576*celsius*celsius))
	h := v2 + (c.h6/16384+c.h7/2097152*celsius)*v2*v2
	return min(max(h, 0), 100)
}

// What the gas converter's ranges are off by, in per cent.
var (
	bme680K1 = [16]float64{5: -1, 7: -0.8, 10: -0.2, 11: -0.5, 13: -1}
	bme680K2 = [16]float64{4: 0.1, 5: 0.7, 7: -0.8, 8: -0.1}
)

func (c *bme680Calibration) gas(raw float64, span byte, high bool) float64 {
	if high {
		return 1e6 * float64(uint32(262144)>>span) / (4096 + 3*(raw-512))
	}
	v := (1340 + 5*c.rangeError) * (1 + bme680K1[span]/100)
	return 1 / ((1 + bme680K2[span]/100) * 0.000000125 * float64(uint32(1)<<span) * ((raw-512)/v + 1))
}

// heater gives the register value for a plate temperature at an ambient one.
func (c *bme680Calibration) heater(target int, ambient float64) byte {
	v1 := c.g1/16 + 49
	v2 := c.g2/32768*0.0005 + 0.00235
	v4 := v1 * (1 + v2*float64(target))
	v5 := v4 + c.g3/1024*ambient
	return byte(min(max(3.4*(v5*(4/(4+c.heatRange))*(1/(1+c.heatValue*0.002))-25), 0), 255))
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
