package chips

import (
	"testing"
	"time"

	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func aht5(t *testing.T, s string) (data [5]byte) {
	copy(data[:], unhex(t, s))
	return data
}

// The answer of a real AHT20, status 1C: 5D 10 66 01 D2, checksum 93.
func TestAHT20(t *testing.T) {
	v := load(t, "AHT20-1")
	raw := v.bytes(t, "")
	if got := byte(crcSensirion.Of(raw[:6])); got != raw[6] {
		t.Errorf("checksum of the recorded answer is %02x, want %02x", got, raw[6])
	}
	e := suite[*chip.I2COptions](AHT20, 0x38, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewAHT(0xbe, true, [5]byte(raw[1:6])) }
	e.Want = []want{w("temperature", v.number(t, "temperature_Cel"), 1e-4), w("humidity", v.number(t, "humidity_%RH"), 1e-4)}
	e.Protected = true
	e.States = []i2ctest.State{
		{Name: "below zero", Set: func(c i2ctest.Chip) { c.(*i2ctest.AHT).Data = aht5(t, "80 00 02 00 00") }, Want: air(-25, 50)},
		{Name: "below its range", Set: func(c i2ctest.Chip) { c.(*i2ctest.AHT).Data = aht5(t, "80 00 00 00 01") }, Err: "outside the plausible range"},
	}
	e.Run(t)
}

func TestAHT10(t *testing.T) {
	e := suite[*chip.I2COptions](AHT10, 0x38, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewAHT(0xe1, false, aht5(t, "80 00 06 00 00")) }
	e.Want = air(25, 50)
	e.Run(t)
}

// The frame of the AM2320 product manual, and its rule for negative temperatures.
func TestAM2320(t *testing.T) {
	v := load(t, "AM2320-1")
	got, err := decodeAM2320(v.bytes(t, ""))
	if err != nil || got[0] != v.number(t, "temperature_Cel") || got[1] != v.number(t, "humidity_%RH") {
		t.Errorf("%s: %v, %v", v.ID, got, err)
	}
	e := suite[*chip.I2COptions](AM2320, 0x5c, nil)
	e.Chip = func() i2ctest.Chip { return &i2ctest.AM2320{RH: 500, T: 250} }
	e.Want = air(25, 50)
	e.Protected = true
	e.Every = 5 * time.Second // it sleeps after three
	set := func(t uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.AM2320).T = t }
	}
	e.States = []i2ctest.State{
		{Name: "-10.1 °C", Set: set(0x8065), Want: air(-10.1, 50)},
		{Name: "above its range", Set: set(900), Err: "outside the plausible range"},
	}
	e.Run(t)
}

func TestHDC1080(t *testing.T) {
	e := suite[*chip.I2COptions](HDC1080, 0x40, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewHDC1080(0x6666, 0x8000) }
	e.Want = air(26.0, 50)
	e.Want[0].Within = 0.01
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.HDC1080).ID = 0x2260; c.PowerOn() }
	e.WrongID = "ina226"
	e.States = []i2ctest.State{
		{Name: "below zero", Set: func(c i2ctest.Chip) { c.(*i2ctest.HDC1080).Raw = [2]uint16{0x2000, 0x4000} }, Want: air(-19.375, 25)},
	}
	e.Run(t)
}

// PEC and value of the data sheet's read-word example: 28.01 °C.
func TestMLX90614(t *testing.T) {
	v := load(t, "MLX90614-1")
	b := v.bytes(t, "")
	if got := byte(crcSMBus.Of([]byte{0xb4, 0x07, 0xb5, b[0], b[1]})); got != b[2] {
		t.Errorf("%s: %02x, want %02x", v.ID, got, b[2])
	}
	e := suite[*chip.I2COptions](MLX90614, 0x5a, nil)
	e.Chip = func() i2ctest.Chip {
		return &i2ctest.MLX90614{Addr: 0x5a, RAM: map[byte]uint16{7: 0x3ad2, 6: 0x3970}}
	}
	e.Want = []want{w("temperature", v.number(t, "temperature_Cel"), 0.001), w("ambient", 20.93, 0.001)}
	e.Protected = true
	set := func(raw uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.MLX90614).RAM[7] = raw }
	}
	ambient := []want{w("ambient", 20.93, 0.001)} // which the other's fault does not cost
	e.States = []i2ctest.State{
		{Name: "-70 °C", Set: set(10158), Want: []want{w("temperature", -69.99, 0.001), w("ambient", 20.93, 0.001)}},
		{Name: "error flag", Set: set(0x8000), Err: "temperature: the chip reports an error of its own", Want: ambient},
		{Name: "nothing measured yet", Set: set(0), Err: "temperature: -273.15 is outside the plausible range", Want: ambient},
		{Name: "wrong checksum", Set: func(c i2ctest.Chip) { c.(*i2ctest.MLX90614).Flip = 0x10 }, Err: "checksum"},
	}
	e.Run(t)
}

func TestBH1750(t *testing.T) {
	e := suite[*chip.I2COptions](BH1750, 0x23, nil)
	v := load(t, "BH1750-1") // 8390 hex is the data sheet's example
	e.Chip = func() i2ctest.Chip { return i2ctest.NewBH1750(28066.67) }
	e.Want = []want{w("illuminance", v.number(t, "illuminance_lx"), 0.9)}
	lit := func(lux float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.BH1750).Lux = lux }
	}
	e.States = []i2ctest.State{
		{Name: "dark", Set: lit(0), Want: []want{w("illuminance", 0, 0)}},
		{Name: "dusk", Set: lit(2.5), Want: []want{w("illuminance", 2.5, 0.01)}},
		{Name: "full sun", Set: lit(100000), Want: []want{w("illuminance", 100000, 2)}},
		{Name: "brighter than it can", Set: lit(150000), Err: "brighter"},
	}
	e.Run(t)
}
