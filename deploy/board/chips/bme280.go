package chips

import (
	"math"
	"time"
)

// BME280 simulates Bosch's sensor: identification, calibration, forced and
// normal mode with measuring time, burst reads. The raw values are found by
// inverting the datasheet's compensation, so any driver must arrive at
// Celsius/Pascal/Humidity again. BST-BME280-DS002, sections 4 and 5.
type BME280 struct {
	Celsius, Pascal, Humidity float64
	reg                       [256]byte
	ptr                       byte
	done                      time.Time
	pending                   bool
}

// calibration of a typical part
var bmeT = [3]int{27504, 26435, -1000}
var bmeP = [9]int{36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000}
var bmeH = [6]int{75, 362, 0, 313, 50, 30}

// NewBME280 returns a chip after power-on.
func NewBME280() *BME280 {
	c := &BME280{Celsius: 21.5, Pascal: 101325, Humidity: 45}
	c.reset()
	return c
}

func (c *BME280) reset() {
	c.reg = [256]byte{}
	c.pending = false
	c.reg[0xd0] = 0x60
	put := func(a byte, v int) { c.reg[a], c.reg[a+1] = byte(v), byte(v>>8) }
	for i, v := range bmeT {
		put(0x88+byte(2*i), v)
	}
	for i, v := range bmeP {
		put(0x8e+byte(2*i), v)
	}
	c.reg[0xa1] = byte(bmeH[0])
	put(0xe1, bmeH[1])
	c.reg[0xe3] = byte(bmeH[2])
	c.reg[0xe4] = byte(bmeH[3] >> 4)
	c.reg[0xe5] = byte(bmeH[3]&15 | bmeH[4]&15<<4)
	c.reg[0xe6] = byte(bmeH[4] >> 4)
	c.reg[0xe7] = byte(bmeH[5])
	for i, v := range []byte{0x80, 0, 0, 0x80, 0, 0, 0x80, 0} {
		c.reg[0xf7+i] = v // "no measurement yet"
	}
}

func (c *BME280) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.ptr = b[0]
	if len(b) == 1 {
		return nil
	}
	for i := 0; i+1 < len(b); i += 2 { // Bosch: register/value pairs
		r, v := b[i], b[i+1]
		switch {
		case r == 0xe0 && v == 0xb6:
			c.reset()
		case r == 0xf2 || r == 0xf5:
			c.reg[r] = v
		case r == 0xf4:
			c.reg[r] = v
			if v&3 != 0 {
				c.start()
			}
		}
	}
	return nil
}

func (c *BME280) start() {
	os := func(v byte) time.Duration {
		if v &= 7; v == 0 {
			return 0
		} else if v > 5 {
			v = 5
		}
		return time.Duration(1) << (v - 1)
	}
	d := 1250*time.Microsecond + 2300*time.Microsecond*os(c.reg[0xf4]>>5) +
		2300*time.Microsecond*os(c.reg[0xf4]>>2) + 2300*time.Microsecond*os(c.reg[0xf2])
	c.done = time.Now().Add(d)
	c.pending = true
	c.reg[0xf3] |= 8
}

// update finishes a conversion whose time has come.
func (c *BME280) update() {
	if !c.pending || time.Now().Before(c.done) {
		return
	}
	c.pending = false
	c.reg[0xf3] &^= 8
	rt := bisect(func(a int) float64 { t, _ := bmeTemp(a); return t }, c.Celsius, 20)
	_, fine := bmeTemp(rt)
	rp := bisect(func(a int) float64 { return -bmePress(a, fine) }, -c.Pascal, 20)
	rh := bisect(func(a int) float64 { return bmeHum(a, fine) }, c.Humidity, 16)
	r := c.reg[:]
	r[0xf7], r[0xf8], r[0xf9] = byte(rp>>12), byte(rp>>4), byte(rp<<4)
	r[0xfa], r[0xfb], r[0xfc] = byte(rt>>12), byte(rt>>4), byte(rt<<4)
	r[0xfd], r[0xfe] = byte(rh>>8), byte(rh)
	if c.reg[0xf4]&3 == 3 { // normal mode goes on
		c.start()
	} else {
		c.reg[0xf4] &^= 3 // forced mode falls back to sleep
	}
}

func (c *BME280) Read(b []byte) error {
	c.update()
	for i := range b {
		b[i] = c.reg[c.ptr]
		c.ptr++
	}
	return nil
}

func (c *BME280) Stop() {}

// bisect finds the raw value for which the growing f gives want.
func bisect(f func(int) float64, want float64, bits int) int {
	lo, hi := 0, 1<<bits-1
	for lo < hi {
		m := (lo + hi) / 2
		if f(m) < want {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// The datasheet's double-precision formulas.
func bmeTemp(adc int) (t, fine float64) {
	a := float64(adc)
	v1 := (a/16384 - float64(bmeT[0])/1024) * float64(bmeT[1])
	d := a/131072 - float64(bmeT[0])/8192
	fine = v1 + d*d*float64(bmeT[2])
	return fine / 5120, fine
}

func bmePress(adc int, fine float64) float64 {
	p := func(i int) float64 { return float64(bmeP[i-1]) }
	v1 := fine/2 - 64000
	v2 := v1 * v1 * p(6) / 32768
	v2 += v1 * p(5) * 2
	v2 = v2/4 + p(4)*65536
	v1 = (p(3)*v1*v1/524288 + p(2)*v1) / 524288
	v1 = (1 + v1/32768) * p(1)
	x := (1048576 - float64(adc) - v2/4096) * 6250 / v1
	return x + (p(9)*x*x/2147483648+x*p(8)/32768+p(7))/16
}

func bmeHum(adc int, fine float64) float64 {
	h := func(i int) float64 { return float64(bmeH[i-1]) }
	x := fine - 76800
	x = (float64(adc) - (h(4)*64 + h(5)/16384*x)) * (h(2) / 65536 * (1 + h(6)/67108864*x*(1+h(3)/67108864*x)))
	x *= 1 - h(1)*x/524288
	return math.Max(0, math.Min(100, x))
}
