package chips

import (
	"math"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// shaken is what half a g along x does to a thing that lies flat.
func shaken(celsius, within float64) []want {
	return []want{w("rms", 0.5*gravity/math.Sqrt2, 0.1), w("peak", 0.5*gravity, 0.1), w("x", 0, 0.1), w("y", 0, 0), w("z", gravity, within), w("temperature", celsius, 1e-9)}
}

// The kernel's step of 0.488 mg: 2049 are 0.999912 g. ST's temperatures: 16 or 256 a degree from
// 25 °C.
func TestLSM6DS(t *testing.T) {
	for id, perDegree := range map[byte]int16{0x69: 16, 0x6a: 256, 0x6b: 256, 0x6c: 256} {
		e := suite(LSM6DS, 0x6a, func(*motionOptions) {})
		e.Chip = func() i2ctest.Chip { return i2ctest.NewLSM6DS(id, 1024.5, 2049, -10*perDegree) }
		e.Want = shaken(15, 0.001)
		e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Shaker).ID = 0x33; c.PowerOn() }
		e.WrongID = "0x33"
		if id == 0x6c {
			e.Run(t)
			continue
		}
		e.States = []i2ctest.State{{Name: "of another relative", Set: func(i2ctest.Chip) {}, Want: e.Want}}
		e.RunStates(t)
	}
}

// The kernel's range of ±16 g: 2048 counts a g. ESPHome: 23 °C and 1/512 °C a count.
func TestBMI160(t *testing.T) {
	e := suite(BMI160, 0x68, func(*motionOptions) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewBMI160(1024, 2048, -1024) }
	e.Want = shaken(21, 1e-9)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Shaker).ID = 0x68; c.PowerOn() }
	e.WrongID = "0x68"
	e.Run(t)
}

// M5Stack's M5Unified: 326.8 counts a degree from 25 °C.
func TestMPU6886(t *testing.T) {
	e := suite(MPU6050, 0x68, func(*motionOptions) {})
	e.Chip = func() i2ctest.Chip {
		c := i2ctest.NewMPU6050(1024, 2048, 1634)
		c.ID = 0x19
		c.PowerOn()
		return c
	}
	e.Want = shaken(30, 1e-9)
	e.Run(t)
}

// Adafruit's library: 16ths of a degree.
func TestBNO055(t *testing.T) {
	e := suite[*chip.I2COptions](BNO055, 0x28, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewBNO055(4404, -200, 1000) }
	e.Want = []want{w("heading", 275.25, 0), w("roll", -12.5, 0), w("pitch", 62.5, 0), w("temperature", 27, 0), w("calibration", 3, 0)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.BNO055).ID = 0xfb; c.PowerOn() }
	e.WrongID = "0xfb"
	e.States = []i2ctest.State{
		{Name: "an error of its own", Err: "error 3", Set: func(c i2ctest.Chip) { c.(*i2ctest.BNO055).State = [2]byte{1, 3} }},
		{Name: "not running", Err: "not finished", Set: func(c i2ctest.Chip) { c.(*i2ctest.BNO055).State = [2]byte{6, 0} }},
	}
	e.Run(t)
}

// Angles of a BNO055 that was not turned about yet are uncertain, and those of one that has
// learnt are kept over an error of the bus: it is not set up anew.
func TestBNO055KeepsWhatItHasLearnt(t *testing.T) {
	s := suite[*chip.I2COptions](BNO055, 0x28, nil)
	c := i2ctest.NewBNO055(160, 0, 0)
	onBus(t, s, c, func(t *testing.T, dev any, b *i2ctest.Bus) {
		quality := func() drivers.Quality {
			t.Helper()
			rs, err := dev.(drivers.Poller).Poll(t.Context())
			if err != nil || len(rs) != 5 || rs[3].Quality != drivers.Good {
				t.Fatalf("%v, %v", rs, err)
			}
			return rs[0].Quality
		}
		if q := quality(); q != drivers.Good {
			t.Errorf("calibrated, and the heading is %v", q)
		}
		b.With(func() { c.Calibration = 0x3f })
		if q := quality(); q != drivers.Uncertain {
			t.Errorf("not calibrated, and the heading is %v", q)
		}
		written := 0
		b.With(func() {
			before := c.OnWrite
			c.OnWrite = func(reg, v byte) {
				if reg != 0x07 { // the page
					written++
				}
				before(reg, v)
			}
		})
		b.Unplug(true)
		if _, err := dev.(drivers.Poller).Poll(t.Context()); err == nil {
			t.Error("unplugged, and no error")
		}
		b.Unplug(false)
		if quality(); written != 0 {
			t.Errorf("%d registers were written after an error of the bus", written)
		}
	})
}
