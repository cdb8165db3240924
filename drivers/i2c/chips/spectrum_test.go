package chips

import (
	"testing"

	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func uv(v, within float64) []want { return []want{w("uv_index", v, within)} }

// The kernel's veml6075.c, by hand: of 2000, 1800, 300 and 200 it takes
// 2.22·300 + 1.33·200 = 932 and 2.95·300 + 1.74·200 = 1233 away; a quarter of 1068·0.001461 +
// 567·0.002591 is 0.757.
func TestVEML6075(t *testing.T) {
	e := suite[*chip.I2COptions](VEML6075, 0x10, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewVEML6075(2000, 1800, 300, 200) }
	e.Want = uv(0.7574, 0.0001)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.VEML6075).ID = 0xc481; c.PowerOn() }
	e.WrongID = "0xc481"
	light := func(v ...uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { copy(c.(*i2ctest.VEML6075).Light[:], v) }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: light(0, 0, 0, 0), Want: uv(0, 0)},
		{Name: "a lamp without ultraviolet", Set: light(500, 600, 300, 200), Want: uv(0, 0)},
		{Name: "brighter than it can", Set: light(0xffff, 100, 0, 0), Err: "brighter"},
	}
	e.Run(t)
}

// The kernel's veml6070.c: 187, 373, 560 … 2054 steps are the ends of UV index 0, 1, 2 … 11.
func TestVEML6070(t *testing.T) {
	e := i2ctest.Suite{Driver: VEML6070, Address: 0x39}
	e.Chip = func() i2ctest.Chip { return i2ctest.NewVEML6070(0x0320) }
	e.Want = uv(4.284, 0.001)
	lit := func(v uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.VEML6070).Steps = v }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: lit(0), Want: uv(0, 0)},
		{Name: "the end of index 2", Set: lit(560), Want: uv(3, 0.002)},
		{Name: "the end of index 10", Set: lit(2054), Want: uv(11, 0)},
		{Name: "brighter than it can", Set: lit(0xffff), Err: "brighter"},
	}
	e.Run(t)
	o := veml6070Options{}
	_ = o.I2C.UnmarshalText([]byte("1:0x39"))
	if claims := o.Claims(); len(claims) != 2 || claims[1].ID != "1:0x38" {
		t.Errorf("it claims %v", claims)
	}
}

func bands(within float64, v ...float64) (all []want) {
	names := as7341Names
	if len(v) == 4 {
		names = []string{"clear", "red", "green", "blue"}
	}
	for i, x := range v {
		all = append(all, w(names[i], x, within))
	}
	return all
}

// Counts of a millisecond without gain: of 37 cycles of 2.78 ms, 1025 counts each at most.
func TestAPDS9960(t *testing.T) {
	e := suite[*chip.I2COptions](APDS9960, 0x39, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewAPDS9960(51, 12, 5, 4.5, 3) }
	e.Want = append(bands(0.01, 12, 5, 4.5, 3), w("proximity", 20, 1e-9))
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Colours).ID = 0x24; c.PowerOn() }
	e.WrongID = "0x24"
	light := func(v ...float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Colours).Light = v }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: light(0, 0, 0, 0), Want: append(bands(0, 0, 0, 0, 0), w("proximity", 20, 1e-9))},
		{Name: "dusk", Set: light(0.2, 0.1, 0.05, 0.02), Want: append(bands(0.0002, 0.2, 0.1, 0.05, 0.02), w("proximity", 20, 1e-9))},
		{Name: "sun", Set: light(300, 100, 90, 80), Want: append(bands(0.01, 300, 100, 90, 80), w("proximity", 20, 1e-9))},
		{Name: "brighter than it can", Set: light(900, 100, 90, 80), Err: "clear: brighter",
			Want: []want{w("red", 100, 0.01), w("green", 90, 0.01), w("blue", 80, 0.01), w("proximity", 20, 1e-9)}},
	}
	e.Run(t)
}

// Adafruit's toBasicCounts: counts by gain and milliseconds; at most (ATIME+1)·(ASTEP+1) of them.
func TestAS7341(t *testing.T) {
	room := []float64{1, 2, 3, 4, 5, 6, 7, 8, 20, 9}
	e := suite[*chip.I2COptions](AS7341, 0x39, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewAS7341(room...) }
	e.Want = bands(0.001, room...)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Colours).ID = 0xab; c.PowerOn() }
	e.WrongID = "0xab"
	times := func(by float64) (all []float64) {
		for _, x := range room {
			all = append(all, x*by)
		}
		return all
	}
	light := func(v []float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Colours).Light = v }
	}
	most := append(times(30)[:8], 900, 270)
	e.States = []i2ctest.State{
		{Name: "dark", Set: light(make([]float64, 10)), Want: bands(0, make([]float64, 10)...)},
		{Name: "dusk", Set: light(times(0.01)), Want: bands(0.0001, times(0.01)...)},
		{Name: "sun", Set: light(times(30)), Want: bands(0.03, times(30)...)},
		{Name: "brighter than it can", Set: light(most), Err: "clear: brighter", Want: append(bands(0.03, most[:8]...), w("nir", 270, 0.03))},
		{Name: "too bright before the converters", Err: "f1: brighter", Want: []want{}, Set: func(c i2ctest.Chip) { c.(*i2ctest.Colours).Blind = true }},
	}
	e.Run(t)
}
