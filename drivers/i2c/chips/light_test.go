package chips

import (
	"math"
	"testing"
	"time"

	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func lux(v, within float64) []want { return []want{w("illuminance", v, within)} }

func TestVEML7700(t *testing.T) {
	e := suite[*chip.I2COptions](VEML7700, 0x10, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewVEML7700(700) }
	e.Want = lux(700, 1)
	lit := func(v float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.VEML7700).Lux = v }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: lit(0), Want: lux(0, 0)},
		{Name: "dusk", Set: lit(5), Want: lux(5, 0.02)},
		// Above 1000 lx the application note's polynomial: 10000 becomes 14794.
		{Name: "bright", Set: lit(10000), Want: lux(14794, 15)},
		{Name: "brighter than it can", Set: lit(150000), Err: "brighter"},
	}
	e.Run(t)
}

// The equations of TAOS059, by hand: 0.0304·1000 - 0.062·1000·0.3^1.4 for the T package.
func TestTSL2561(t *testing.T) {
	room := 0.0304*1000 - 0.062*1000*math.Pow(0.3, 1.4)
	e := suite[*chip.I2COptions](TSL2561, 0x39, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewTSL2561(0x50, 1000, 300) }
	e.Want = lux(room, 0.1)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Channels).ID = 0x92; c.PowerOn() }
	e.WrongID = "0x92"
	set := func(ch0, ch1 float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Channels).Ch0, c.(*i2ctest.Channels).Ch1 = ch0, ch1 }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: set(0, 0), Want: lux(0, 0)},
		{Name: "bright", Set: set(1000000, 300000), Want: lux(1000*room, 20)},
		{Name: "infrared only", Set: set(1000, 1400), Want: lux(0, 0)},
		{Name: "brighter than it can", Set: set(1e8, 3e7), Err: "brighter"},
		{Name: "CS package", Want: lux(0.0315*1000-0.0593*1000*math.Pow(0.3, 1.4), 0.1),
			Set: func(c i2ctest.Chip) { c.(*i2ctest.Channels).ID = 0x11; c.PowerOn() }},
	}
	e.Run(t)
	for _, c := range []struct{ ch0, ch1, want float64 }{{1000, 550, 5.35}, {1000, 700, 2.09}, {1000, 1000, 0.34}, {1000, 1301, 0}} {
		if got := luxTSL2561(c.ch0, c.ch1, false); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v, %v: %v lx, want %v", c.ch0, c.ch1, got, c.want)
		}
	}
}

func TestTSL2591(t *testing.T) {
	e := suite[*chip.I2COptions](TSL2591, 0x29, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewTSL2591(17120, 4280) } // 1000 and 250 with gain 25
	e.Want = lux((1000-250)*0.75*408/2500, 0.01)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Channels).ID = 0x51; c.PowerOn() }
	e.WrongID = "0x51"
	set := func(ch0, ch1 float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Channels).Ch0, c.(*i2ctest.Channels).Ch1 = ch0, ch1 }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: set(0, 0), Want: lux(0, 0)},
		{Name: "dusk", Set: set(1712, 428), Want: lux((1712-428)*0.75*408/42800, 0.01)},
		{Name: "sun", Set: set(4280000, 1070000), Want: lux((10000-2500)*0.75*408/100, 1)},
		{Name: "brighter than it can", Set: set(4.28e8, 1e8), Err: "brighter"},
	}
	e.Run(t)
}

// Equations of the LTR-390UV-01 data sheet, section 7.
func TestLTR390(t *testing.T) {
	e := suite[*chip.I2COptions](LTR390, 0x53, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLTR390(5000, 4600) }
	e.Want = append(lux(1000, 0), w("uv_index", 2, 0))
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Channels).ID = 0xe5; c.PowerOn() }
	e.WrongID = "0xe5"
	set := func(als, uvs float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Channels).Ch0, c.(*i2ctest.Channels).Ch1 = als, uvs }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: set(0, 0), Want: append(lux(0, 0), w("uv_index", 0, 0))},
		{Name: "sun", Set: set(600000, 18400), Want: append(lux(120000, 0), w("uv_index", 8, 0))},
		{Name: "brighter than it can", Set: set(1e6, 4600), Err: "illuminance: brighter", Want: []want{w("uv_index", 2, 0)}},
	}
	e.Run(t)
}

func TestENS160(t *testing.T) {
	e := suite[*chip.I2COptions](ENS160, 0x53, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewENS160(2, 150, 600) }
	e.Want = []want{w("aqi", 2, 0), w("tvoc", 150, 0), w("eco2", 600, 0)}
	e.Every, e.Warmup = 2*time.Second, 4
	valid := func(v byte) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Gas).Validity = v }
	}
	e.States = []i2ctest.State{
		{Name: "warming up", Set: valid(1), Want: []want{}},
		{Name: "first hour", Set: valid(2), Want: e.Want},
		{Name: "invalid", Set: valid(3), Err: "invalid"},
	}
	e.Run(t)
}

func TestCCS811(t *testing.T) {
	e := suite[*chip.I2COptions](CCS811, 0x5a, nil)
	e.Chip = func() i2ctest.Chip { return &i2ctest.CCS811{ID: 0x81, ECO2: 650, TVOC: 3000} }
	e.Want = []want{w("eco2", 650, 0), w("tvoc", 3000, 0)}
	e.Every, e.Warmup = 2*time.Second, 4
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.CCS811).ID = 0x44 }
	e.WrongID = "0x44"
	e.States = []i2ctest.State{
		{Name: "an error of its own", Set: func(c i2ctest.Chip) { c.(*i2ctest.CCS811).ErrorID = 0x10 }, Err: "error 0x10"},
	}
	e.Run(t)
}
