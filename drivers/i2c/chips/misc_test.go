package chips

import (
	"math"
	"slices"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// A sine of amplitude a has an RMS of a/√2; a window of 500 ms holds two of its periods.
func TestMPU6050(t *testing.T) {
	e := suite(MPU6050, 0x68, func(*motionOptions) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewMPU6050(1024, 2048, -2110) } // 0.5 g, 1 g
	shake := func(amplitude, celsius float64) []want {
		return []want{w("rms", amplitude/math.Sqrt2, amplitude/50+1e-9), w("peak", amplitude, amplitude/50+1e-9),
			w("x", 0, 0.1), w("y", 0, 0), w("z", gravity, 1e-9), w("temperature", celsius, 0.01)}
	}
	e.Want = shake(0.5*gravity, 30.32)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Shaker).ID = 0xea; c.PowerOn() }
	e.WrongID = "0xea"
	e.States = []i2ctest.State{
		{Name: "at rest", Set: func(c i2ctest.Chip) { c.(*i2ctest.Shaker).Amplitude = 0 }, Want: shake(0, 30.32)},
		{Name: "upside down", Set: func(c i2ctest.Chip) { c.(*i2ctest.Shaker).Amplitude, c.(*i2ctest.Shaker).Gravity = 0, -2048 },
			Want: []want{w("rms", 0, 1e-9), w("peak", 0, 1e-9), w("x", 0, 0), w("y", 0, 0), w("z", -gravity, 1e-9), w("temperature", 30.32, 0.01)}},
		{Name: "mpu9250", Set: func(c i2ctest.Chip) { c.(*i2ctest.Shaker).ID = 0x71; c.PowerOn() }, Want: shake(0.5*gravity, -2110/333.87+21)},
	}
	e.Run(t)
}

func TestADXL345(t *testing.T) {
	e := suite(onI2C(ADXL345), 0x53, func(*motionEitherOptions) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewADXL345(128, 256) }
	e.Want = []want{w("rms", 0.5*gravity/math.Sqrt2, 0.1), w("peak", 0.5*gravity, 0.1), w("x", 0, 0.1), w("y", 0, 0), w("z", gravity, 1e-9)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Shaker).ID = 0x33; c.PowerOn() }
	e.WrongID = "0x33"
	e.Run(t)
}

// Rev 10, section "Temperature registers": 19 40 is +25.25 °C.
func TestDS3231(t *testing.T) {
	e := suite[*chip.I2COptions](DS3231, 0x68, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewDS3231(0x1940) }
	e.Want = []want{w("temperature", 25.25, 0)}
	e.States = []i2ctest.State{
		{Name: "-10.5 °C", Want: []want{w("temperature", -10.5, 0)}, Set: func(c i2ctest.Chip) { c.(*i2ctest.Registers).Put(0x11, 0xf5, 0x80) }},
		{Name: "no clock", Err: "no DS3231", Set: func(c i2ctest.Chip) { c.(*i2ctest.Registers).Put(0x03, 0x00) }},
	}
	e.Run(t)
}

func TestEZO(t *testing.T) {
	warm := 19.5
	e := suite(EZO, 0x63, func(o *ezoOptions) { o.Circuit, o.Water = "ph", &warm })
	e.Chip = func() i2ctest.Chip { return &i2ctest.EZO{Name: "pH", Value: "7.012"} }
	e.Want = []want{w("ph", 7.012, 0)}
	e.Every = 5e9
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.EZO).Name = "EC" }
	e.WrongID = "?I,EC,1.98"
	says := func(v string) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.EZO).Value = v }
	}
	e.States = []i2ctest.State{
		{Name: "no probe", Set: says("0.000"), Err: "probe connected"},
		{Name: "garbage", Set: says("7.0\x80"), Err: "no text"},
		{Name: "words", Set: says("off"), Err: "expected a number"},
	}
	e.Run(t)

	e = suite(EZO, 0x62, func(o *ezoOptions) { o.Circuit = "orp" })
	e.Chip = func() i2ctest.Chip { return &i2ctest.EZO{Name: "ORP", Value: "-200.5"} }
	e.Want = []want{w("orp", -200.5, 0)}
	e.Run(t)

	e = suite(EZO, 0x64, func(o *ezoOptions) { o.Circuit = "ec" })
	e.Chip = func() i2ctest.Chip { return &i2ctest.EZO{Name: "EC", Value: "1413.0,706,0.71"} }
	e.Want = []want{w("conductivity", 1413, 0)}
	e.Run(t)
}

func TestAS3935(t *testing.T) {
	e := suite(AS3935, 0x03, func(*as3935Options) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewAS3935() }
	e.Want = []want{}
	heard := func(distance byte, interrupt byte) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) {
			c.(*i2ctest.AS3935).Put(0x04, 0x34, 0x12, 0x05, distance)
			c.(*i2ctest.AS3935).Interrupt = interrupt
		}
	}
	e.States = []i2ctest.State{
		{Name: "a strike", Set: heard(12, 8), Want: []want{w("distance", 12, 0), w("energy", 0x051234, 0)}},
		{Name: "far away", Set: heard(0x3f, 8), Want: []want{w("energy", 0x051234, 0)}},
		{Name: "noise", Set: heard(1, 1), Err: "noise"},
		{Name: "a disturber", Set: heard(1, 4), Want: []want{}},
	}
	e.Run(t)
	e.NoticesReset(t)
}

// Every chip of the list has its options checked without hardware.
func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]drivers.Checker{
		"bme oversampling":  &bmeOptions{Oversampling: 3},
		"bme680 heater":     &bme680Options{Oversampling: 1, Heater: 500, Heat: 1e8},
		"bme680 heat":       &bme680Options{Oversampling: 1},
		"motion window":     &motionOptions{},
		"ezo circuit":       &ezoOptions{Circuit: "co2"},
		"as3935 place":      &as3935Options{Place: "roof", Strikes: 1},
		"as3935 strikes":    &as3935Options{Place: "indoor", Strikes: 2},
		"scd altitude":      &scdOptions{Altitude: -1},
		"lm75 bits":         &lm75Options{Bits: 8},
		"ads rate":          &adsOptions{Rate: 1, rates: []int{8}},
		"ads input":         &adsInput{Input: "A4", Range: 4.096},
		"ads range":         &adsInput{Input: "A0", Range: 5},
		"address of a chip": chip.Driver[*chip.I2COptions]{Addresses: []uint16{0x76}, Options: chip.NoOptions}.On(nil).Options().(drivers.Checker),
	} {
		if o.Check() == nil {
			t.Errorf("%s: nothing to say", name)
		}
	}
	if !slices.Equal(chip.Span(0x48, 0x4a), []uint16{0x48, 0x49, 0x4a}) {
		t.Error("span")
	}
}
