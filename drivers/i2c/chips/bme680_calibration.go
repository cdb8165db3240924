package chips

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

func (c *bme680Calibration) gas(raw float64, span byte, high bool) float64 {
	if high {
		return 1e6 * float64(uint32(262144)>>span) / (4096 + 3*(raw-512))
	}
	v := (1340 + 5*c.rangeError) * (1 + bme680K1[span]/100)
	return 1 / ((1 + bme680K2[span]/100) * 0.000000125 * float64(uint32(1)<<span) * ((raw-512)/v + 1))
}

// heater returns the register value for a plate temperature at an ambient one.
func (c *bme680Calibration) heater(target int, ambient float64) byte {
	v1 := c.g1/16 + 49
	v2 := c.g2/32768*0.0005 + 0.00235
	v4 := v1 * (1 + v2*float64(target))
	v5 := v4 + c.g3/1024*ambient
	return byte(min(max(3.4*(v5*(4/(4+c.heatRange))*(1/(1+c.heatValue*0.002))-25), 0), 255))
}

// What the gas converter's ranges are off by, in per cent.
var (
	bme680K1 = [16]float64{5: -1, 7: -0.8, 10: -0.2, 11: -0.5, 13: -1}
	bme680K2 = [16]float64{4: 0.1, 5: 0.7, 7: -0.8, 8: -0.1}
)
