package chips

import (
	"math"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// Coefficients of both signs and all widths: c0 209, c1 -261, c00 80425, c10 -53989, c01
// -2811, c11 1302, c20 -10240, c21 51, c30 -1408. ESPHome's formula, computed apart with half
// of full scale for the temperature and minus a fifth for the pressure.
var dpsCoefficients = []byte{0x0d, 0x1e, 0xfb, 0x13, 0xa2, 0x9f, 0x2d, 0x1b, 0xf5, 0x05, 0x05, 0x16, 0xd8, 0x00, 0x00, 0x33, 0xfa, 0x80}

func TestDPS310(t *testing.T) {
	if c := decodeDPS310(dpsCoefficients); c != (dps310{209, -261, 80425, -53989, -2811, 1302, -10240, 51, -1408}) {
		t.Errorf("coefficients %+v", c)
	}
	e := suite[*chip.I2COptions](DPS310, 0x77, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewDPS310(dpsCoefficients, -314573, 471859) }
	// t = 0.3, p = -0.2: 104.5 - 78.3; 80425 + 10797.8 - 409.6 + 11.264 - 843.3 - 78.12 + 0.612.
	e.Want = []want{w("temperature", 26.2, 0.001), w("pressure", 89903.66, 0.05)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.DPS310).ID = 0x60; c.PowerOn() }
	e.WrongID = "bme280"
	e.Run(t)
}

// RIOT's lc709203f: mV, tenths of a per cent, and a checksum over the whole transfer.
func TestLC709203F(t *testing.T) {
	e := suite[*chip.I2COptions](LC709203F, 0x0b, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLC709203F(3842, 637) }
	e.Want = []want{w("voltage", 3.842, 1e-9), w("charge", 63.7, 1e-9)}
	e.Protected = true
	e.States = []i2ctest.State{{Name: "no cell", Err: "no voltage", Set: func(c i2ctest.Chip) {
		c.(*i2ctest.LC709203F).Reg[0x09] = 0
		c.PowerOn()
	}}}
	e.Run(t)
}

// ESPHome's steps: 0.92 mG and 0.333 mG, 0.1 µT each.
func TestCompasses(t *testing.T) {
	field := func(x, y, z float64) []want {
		return []want{w("x", x, 1e-9), w("y", y, 1e-9), w("z", z, 1e-9)}
	}
	e := suite[*chip.I2COptions](HMC5883L, 0x1e, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewHMC5883L(200, -100, 450) }
	e.Want = field(18.4, -9.2, 41.4)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Compass).Put(0x0a, 1, 2, 3) }
	e.WrongID = "0x10203"
	e.States = []i2ctest.State{{Name: "a magnet", Err: "beyond the range", Set: func(c i2ctest.Chip) { c.(*i2ctest.Compass).Field[2] = -4096 }}}
	e.Run(t)
	e = suite[*chip.I2COptions](QMC5883L, 0x0d, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewQMC5883L(600, -300, 1350) }
	e.Want = field(19.98, -9.99, 44.955)
	e.States = []i2ctest.State{{Name: "a magnet", Err: "beyond the range", Set: func(c i2ctest.Chip) { c.(*i2ctest.Compass).Over = true }}}
	e.Run(t)
}

func TestLIS3DH(t *testing.T) {
	e := suite(LIS3DH, 0x18, func(*motionOptions) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLIS3DH(125, 250) } // 4 mg a count
	e.Want = []want{w("rms", 0.5*gravity/math.Sqrt2, 0.1), w("peak", 0.5*gravity, 0.1), w("x", 0, 0.1), w("y", 0, 0), w("z", gravity, 1e-9)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Shaker).ID = 0x32; c.PowerOn() }
	e.WrongID = "0x32"
	e.Run(t)
}

func nauSuite(perKg float64) i2ctest.Suite {
	e := suite(NAU7802, 0x2a, func(o *nau7802Options) { o.PerKg = perKg })
	e.Chip = func() i2ctest.Chip { return i2ctest.NewNAU7802(-210000) }
	e.Want = []want{w("raw", -210000, 0), w("weight", -2.1, 1e-9)}
	e.Every = 4 * time.Second
	return e
}

func TestNAU7802(t *testing.T) {
	e := nauSuite(100000)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Scale).Reg[0x1f] = 0x70 }
	e.WrongID = "0x70"
	e.States = []i2ctest.State{{Name: "a wire is open", Err: "wire of the load cell", Set: func(c i2ctest.Chip) { c.(*i2ctest.Scale).Raw = 1<<23 - 1 }}}
	e.Run(t)
}

// What lies on the scale is nothing after a tare, over a fault and a restart too; without
// counts per kg there is no weight.
func TestNAU7802Tare(t *testing.T) {
	store := driverstest.Store{}
	s := nauSuite(100000)
	configure := s.Configure
	s.Configure = func(d drivers.Driver, c *drivers.DeviceConfig) {
		configure(d, c)
		c.Store = store
	}
	weight := func(t *testing.T, dev any) float64 {
		t.Helper()
		rs, err := driverstest.Poll(t.Context(), dev.(drivers.Poller))
		if err != nil || len(rs) != 2 {
			t.Fatalf("%v, %v", rs, err)
		}
		v, _ := rs[1].Value.Number()
		return v
	}
	for run := range 2 {
		c := i2ctest.NewNAU7802(-210000)
		onBus(t, s, c, func(t *testing.T, dev any, b *i2ctest.Bus) {
			if run == 0 {
				if err := dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "tare", Payload: []byte("on")}); err != nil {
					t.Fatal(err)
				}
			}
			if v := weight(t, dev); v != 0 {
				t.Errorf("run %d: tared, and it weighs %g kg", run, v)
			}
			b.With(func() { c.Raw = -60000 })
			if v := weight(t, dev); v != 1.5 {
				t.Errorf("run %d: 1.5 kg weigh %g", run, v)
			}
		})
	}
	if all := (&nau7802Options{}).Outputs(); len(all) != 2 {
		t.Errorf("without counts per kg: %v", all)
	}
}
