package chips

import (
	"math"
	"testing"
	"time"

	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func be(vs ...int) (b []byte) {
	for _, v := range vs {
		b = append(b, byte(v>>8), byte(v))
	}
	return b
}

func le(vs ...int) (b []byte) {
	for _, v := range vs {
		b = append(b, byte(v), byte(v>>8))
	}
	return b
}

// The worked example of BST-BMP180-DS000 section 3.5: 15.0 °C, 69964 Pa without
// oversampling.
var bmp180Example = be(408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)

func TestBMP180Example(t *testing.T) {
	c, err := decodeBMP180(bmp180Example)
	if err != nil {
		t.Fatal(err)
	}
	if celsius, pascal := c.compensate(27898, 23843, 0); celsius != 15.0 || pascal != 69964 {
		t.Errorf("%v °C, %v Pa; want 15.0 and 69964", celsius, pascal)
	}
}

func TestBMP180(t *testing.T) {
	e := suite[*chip.I2COptions](BMP180, 0x77, nil)
	// The example's pressure with eight samples is eight times as much, and a little finer.
	e.Chip = func() i2ctest.Chip { return i2ctest.NewBMP180(bmp180Example, 27898<<8, 23843<<8) }
	e.Want = []want{w("temperature", 15, 0), w("pressure", 69964, 5)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.BMP180).ID = 0x58; c.PowerOn() }
	e.WrongID = "bmp280"
	e.States = []i2ctest.State{
		{Name: "no calibration", Err: "calibration", Set: func(c i2ctest.Chip) {
			c.(*i2ctest.BMP180).Calibration = make([]byte, 22)
			c.PowerOn()
		}},
		{Name: "beyond", Err: "outside the plausible range", Set: func(c i2ctest.Chip) { c.(*i2ctest.BMP180).UT = 0xffff00 }},
	}
	e.Run(t)
}

// The reference is the integer arithmetic of Bosch's BMP3_SensorAPI (1d6d2c7), compiled.
// It works with 0.01 °C and rounds its way through, so a few Pa are its own.
func TestBMP388(t *testing.T) {
	cal := unhex(t, "98 6C A9 4A F9 E3 1C 61 16 06 01 51 4A DE 5D 03 FA F9 0E 06 F5")
	e := suite(onI2C(BMP388), 0x76, func(*bmeOptions) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewBMP388(cal, 8500000, 6700000) }
	e.Want = []want{w("temperature", 24.57, 0.01), w("pressure", 101278.69, 1)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.BMP388).ID = 0x10; c.PowerOn() }
	e.WrongID = "0x10"
	set := func(ut, up uint32) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.BMP388).UT, c.(*i2ctest.BMP388).UP = ut, up }
	}
	e.States = []i2ctest.State{
		{Name: "below zero", Set: set(6400000, 7600000), Want: []want{w("temperature", -12.77, 0.01), w("pressure", 84823.19, 1)}},
		{Name: "warm", Set: set(9500000, 6000000), Want: []want{w("temperature", 42.28, 0.01), w("pressure", 112088.50, 1)}},
		{Name: "colder than it can be", Set: set(1000000, 6700000), Err: "outside the plausible range"},
	}
	e.Run(t)
	onSPI(t, BMP388, func() i2ctest.OverSPI {
		return i2ctest.OverSPI{Chip: e.Chip(), Read: 0x80, Pairs: true, Dummy: 1}
	}, e.Want)
	e.Driver = suite(onI2C(BMP390), 0x76, func(*bmeOptions) {}).Driver
	e.WrongChip, e.States = nil, nil
	chip := e.Chip
	e.Chip = func() i2ctest.Chip {
		c := chip()
		c.(*i2ctest.BMP388).ID = 0x60
		c.PowerOn()
		return c
	}
	e.Run(t)
}

// Coefficients of a real chip. The reference is the integer arithmetic of Bosch's
// BME68x_SensorAPI (1cf6fbd), compiled.
func bme680Model(raw []byte, gas uint16, span byte) *i2ctest.BME680 {
	c1 := make([]byte, 23)
	copy(c1[0:], le(26519))
	c1[2] = 3
	copy(c1[4:], le(35008, -10284))
	c1[8] = 88
	copy(c1[10:], le(9692, -202))
	c1[14], c1[15] = 24, 30
	copy(c1[18:], le(-516, -3469))
	c1[22] = 30
	h1, h2 := 794, 1007
	minus := func(v int) byte { return byte(-v) }
	c2 := []byte{byte(h2 >> 4), byte(h2&15<<4 | h1&15), byte(h1 >> 4), 0, 45, 20, 120, minus(100)}
	c2 = append(c2, le(26203, -5969)...)
	c2 = append(c2, minus(29), 18)
	c3 := []byte{43, 0, 1 << 4, 0, minus(3) << 4}
	return i2ctest.NewBME680(c1, c2, c3, raw, gas, span)
}

// bme680Raw lays out pressure, temperature and humidity.
func bme680Raw(p, t, h int) []byte {
	return []byte{byte(p >> 12), byte(p >> 4), byte(p << 4), byte(t >> 12), byte(t >> 4), byte(t << 4), byte(h >> 8), byte(h)}
}

func TestBME680(t *testing.T) {
	e := suite(BME680, 0x77, func(*bme680Options) {})
	e.Chip = func() i2ctest.Chip { return bme680Model(bme680Raw(380000, 500000, 22000), 500, 5) }
	room := func(gas float64) []want {
		return []want{w("temperature", 25.53, 0.01), w("pressure", 91666, 2), w("humidity", 47.771, 0.05), w("gas", gas, gas/1000)}
	}
	e.Want = room(250554)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.BME680).ID = 0x60; c.PowerOn() }
	e.WrongID = "bme280 (id 0x60)"
	e.States = []i2ctest.State{
		{Name: "below zero", Want: []want{w("temperature", -6.08, 0.01), w("pressure", 80094, 2), w("humidity", 23.068, 0.05), w("gas", 75120, 75)},
			Set: func(c i2ctest.Chip) {
				m := c.(*i2ctest.BME680)
				m.Raw, m.Gas, m.Range = bme680Raw(420000, 400000, 18000), 300, 7
			}},
		{Name: "dry", Want: []want{w("temperature", 25.53, 0.01), w("pressure", 91666, 2), w("humidity", 0, 0), w("gas", 8000000, 8000)},
			Set: func(c i2ctest.Chip) {
				m := c.(*i2ctest.BME680)
				m.Raw, m.Gas, m.Range = bme680Raw(380000, 500000, 10000), 512, 0
			}},
		{Name: "bme688", Want: room(2017700), Set: func(c i2ctest.Chip) { c.(*i2ctest.BME680).Variant = 1; c.PowerOn() }},
		{Name: "heater not steady: no gas, but the rest", Want: e.Want[:3], Set: func(c i2ctest.Chip) { c.(*i2ctest.BME680).HeaterUnsteady = true }},
	}
	e.Run(t)

	e.Configure = suite(BME680, 0x77, func(o *bme680Options) { o.Heater = 0 }).Configure
	e.Want, e.States = e.Want[:3], nil
	e.Run(t)
}

func TestBME680Heater(t *testing.T) {
	m := bme680Model(nil, 0, 0)
	c := decodeBME680(m.Calib1, m.Calib2, m.Calib3)
	if got := c.heater(320, 25); math.Abs(float64(got)-118) > 1 {
		t.Errorf("heater register %d for 320 °C at 25 °C, Bosch's integer code gives 118", got)
	}
	for d, want := range map[time.Duration]byte{150 * time.Millisecond: 37 | 1<<6, 63 * time.Millisecond: 63, time.Millisecond: 1, 4032 * time.Millisecond: 63 | 3<<6} {
		if got := gasWait(d); got != want {
			t.Errorf("gas wait for %v is %#02x, want %#02x", d, got, want)
		}
	}
}
