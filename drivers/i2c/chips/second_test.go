package chips

import (
	"math"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// The kernel's lm75.c has 12 bits of the TMP1075 and 11 of the PCT2075, at the top of the word
// and of 256 a degree: 25 °C is 0x1900, -0.0625 °C 0xfff0, 25.125 °C 0x1920, -25 °C 0xe700.
func TestTMP1075AndPCT2075(t *testing.T) {
	e := suite(TMP1075, 0x48, func(*lm75Options) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewTMP75(0x1900) }
	e.Want = celsius(25)
	set := func(raw uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).Raw = raw }
	}
	e.States = []i2ctest.State{{Name: "just below zero", Set: set(0xfff0), Want: celsius(-0.0625)}}
	e.Run(t)
	e = suite(PCT2075, 0x4f, func(*lm75Options) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLM75(0x1920) }
	e.Want = celsius(25.125)
	e.States = []i2ctest.State{{Name: "-25 °C", Set: set(0xe700), Want: celsius(-25)}}
	e.Run(t)
}

func TestSTS3x(t *testing.T) {
	e := suite[*chip.I2COptions](STS3x, 0x4a, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) }
	e.Want = []want{w("temperature", 25, 0.001)}
	e.Protected = true
	e.Run(t)
}

// The kernel's opt3001.c: twelve bits, times two to the power of the upper four, in 0.01 lx.
func TestOPT3001(t *testing.T) {
	e := suite[*chip.I2COptions](OPT3001, 0x44, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewOPT3001(0x3456) }
	e.Want = []want{w("illuminance", 88.80, 1e-9)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.PowerMonitor).IDs[0x7f] = 0x2260 }
	e.WrongID = "ina226"
	for raw, lux := range map[uint16]float64{0x789a: 2818.56, 0x8800: 5242.88, 0x9400: 5242.88, 0x0001: 0.01} {
		e.States = append(e.States, i2ctest.State{Name: "of another range", Want: []want{w("illuminance", lux, 1e-9)},
			Set: func(c i2ctest.Chip) { c.(*i2ctest.PowerMonitor).Values[0] = raw }})
	}
	e.Run(t)
}

// Steps of the kernel's ina238.c and of ESPHome: 10 A over 16.2 mOhm are 162 mV, 32400 of
// 5 µV; 48 V are 0x3c00 of 3.125 mV, 25 °C 0x0c80, 12 bits of 0.125 °C at the top.
func TestINA238(t *testing.T) {
	for _, d := range []struct {
		name string
		e    i2ctest.Suite
	}{{"ina238", suite(INA238, 0x40, func(o *inaOptions) { o.Shunt = 0.0162 })}, {"ina237", suite(INA237, 0x40, func(o *inaOptions) { o.Shunt = 0.0162 })}} {
		e := d.e
		e.Chip = func() i2ctest.Chip { return i2ctest.NewINA238(32400, 0x3c00, 0x0c80) }
		e.Want = []want{w("voltage", 48, 1e-9), w("current", 10, 1e-9), w("power", 480, 1e-6), w("temperature", 25, 1e-9)}
		e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.PowerMonitor).IDs[0x3f] = 0x2281 }
		e.WrongID = "ina228"
		set := func(reg byte, v uint16) func(i2ctest.Chip) {
			return func(c i2ctest.Chip) { c.(*i2ctest.PowerMonitor).Values[reg] = v }
		}
		e.States = []i2ctest.State{
			{Name: "current the other way", Set: set(4, 0x8170), Want: []want{w("voltage", 48, 1e-9), w("current", -10, 1e-9), w("power", -480, 1e-6), w("temperature", 25, 1e-9)}},
			{Name: "below zero", Set: set(6, 0xf380), Want: []want{w("voltage", 48, 1e-9), w("current", 10, 1e-9), w("power", 480, 1e-6), w("temperature", -25, 1e-9)}},
			{Name: "beyond the shunt", Set: set(4, 0x7fff), Err: "current: the current is beyond", Want: []want{w("voltage", 48, 1e-9), w("temperature", 25, 1e-9)}},
		}
		e.Run(t)
	}
}

// Steps of esp-idf-lib's max1704x: 78.125 µV, 1/256 %, 0.208 % an hour: 0xbe60 is 3.8075 V,
// 0x4b80 75.5 %, -10 is -2.08.
func TestMAX17048(t *testing.T) {
	e := suite[*chip.I2COptions](MAX17048, 0x36, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewMAX17048(0xbe60, 0x4b80, 0xfff6) }
	e.Want = []want{w("voltage", 3.8075, 1e-9), w("charge", 75.5, 1e-9), w("rate", -2.08, 1e-9)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Words).Reg[0x08] = 0x0300 }
	e.WrongID = "0x300"
	e.Run(t)
}

// Steps of the kernel's st_pressure_core.c: 0x3ed000 of 1/4096 hPa are 1005 hPa; 0x09c4 of
// the LPS22HB are 25 °C, and -8400 of the LPS25HB, as 42.5 °C are its zero.
func TestLPS2x(t *testing.T) {
	e := suite[*chip.I2COptions](LPS22HB, 0x5c, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLPS22HB([]byte{0x00, 0xd0, 0x3e, 0xc4, 0x09}) }
	e.Want = []want{w("temperature", 25, 1e-9), w("pressure", 100500, 1e-6)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Demand).Initial[0x0f] = []byte{0xbd}; c.PowerOn() }
	e.WrongID = "lps25hb"
	e.States = []i2ctest.State{{Name: "below zero", Want: []want{w("temperature", -10, 1e-9), w("pressure", 100500, 1e-6)},
		Set: func(c i2ctest.Chip) { c.(*i2ctest.Demand).Data = []byte{0x00, 0xd0, 0x3e, 0x18, 0xfc} }}}
	e.Run(t)
	e = suite[*chip.I2COptions](LPS25HB, 0x5d, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLPS25HB([]byte{0x00, 0xd0, 0x3e, 0x30, 0xdf}) } // -8400 of 1/480 °C
	e.Want = []want{w("temperature", 25, 1e-9), w("pressure", 100500, 1e-6)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Demand).Initial[0x0f] = []byte{0xb1}; c.PowerOn() }
	e.WrongID = "lps22hb"
	e.Run(t)
}

// Two points, 20 and 40 °C, 30 and 70 %, and a measurement half way: the formula
// of esp-idf-lib's hts221.
func TestHTS221(t *testing.T) {
	calibration := []byte{60, 140, 160, 0x40, 0, 0x04, 0x00, 0x10, 0, 0, 0x00, 0xd0, 0xf4, 0x01, 0xdc, 0x05}
	e := suite[*chip.I2COptions](HTS221, 0x5f, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewHTS221(calibration, []byte{0x00, 0xf0, 0xe8, 0x03}) }
	e.Want = []want{w("temperature", 30, 1e-9), w("humidity", 50, 1e-9)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Demand).Initial[0x0f] = []byte{0x33}; c.PowerOn() }
	e.WrongID = "0x33"
	e.Run(t)
}

// The MS5611's example of its data sheet, as several programs quote it. That of the MS5637 is
// from memory; its formulas are those of the kernel's ms_sensors_i2c.c.
func TestMS56xx(t *testing.T) {
	prom := []uint16{0x0000, 40127, 36924, 23317, 23282, 33464, 28312, 0}
	m := ms56{words: 8, second: func(float64, float64) (a, b, c float64) { return 0, 0, 0 }}
	if got := m.compensate(prom, 9085466, 8569150); math.Abs(got[0]-20.07) > 0.01 || math.Abs(got[1]-100009) > 1 {
		t.Errorf("MS5611: %v, want 20.07 °C and 100009 Pa", got)
	}
	prom7 := []uint16{0x0000, 46372, 43981, 29059, 27842, 31553, 28165, 0}
	m.words = 7
	if got := m.compensate(prom7, 6465444, 8077636); math.Abs(got[0]-20.00) > 0.01 || math.Abs(got[1]-110002) > 1 {
		t.Errorf("MS5637: %v, want 20.00 °C and 110002 Pa", got)
	}
	// AN520's example of the checksum, from memory; the kernel computes it the same way.
	if err := (ms56{words: 8}).check([]uint16{0x3132, 0x3334, 0x3536, 0x3738, 0x3940, 0x4142, 0x4344, 0x450b}); err != nil {
		t.Errorf("AN520: %v", err)
	}
	e := suite[*chip.I2COptions](MS5611, 0x77, nil)
	prom[7] = sumOf(t, ms56{words: 8}, prom)
	e.Chip = func() i2ctest.Chip { return &i2ctest.MS56{PROM: prom, D1: 9085466, D2: 8569150} }
	e.Want = []want{w("temperature", 20.07, 0.01), w("pressure", 100009, 2)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.MS56).PROM = []uint16{1, 2, 3, 4, 5, 6, 7, 8} }
	e.WrongID = "checksum"
	// Cold, by the data sheet's integer arithmetic, computed apart: -26.52 °C and 90752 Pa.
	e.States = []i2ctest.State{{Name: "cold", Want: []want{w("temperature", -26.52, 0.01), w("pressure", 90752, 2)},
		Set: func(c i2ctest.Chip) { c.(*i2ctest.MS56).D2 = 7382000 }}}
	e.Run(t)
	e = suite[*chip.I2COptions](MS5637, 0x76, nil)
	prom7[0] = sumOf(t, ms56{words: 7}, prom7) << 12
	e.Chip = func() i2ctest.Chip { return &i2ctest.MS56{PROM: prom7[:7], D1: 6465444, D2: 8077636} }
	e.Want = []want{w("temperature", 20, 0.01), w("pressure", 110002, 2)}
	e.Run(t)
}

// sumOf finds the four bits with which the check is satisfied.
func sumOf(t *testing.T, m ms56, prom []uint16) uint16 {
	for n := range uint16(16) {
		p := append([]uint16(nil), prom...)
		if m.words == 7 {
			p[0] = n << 12
		} else {
			p[7] = n
		}
		if m.check(p) == nil {
			return n
		}
	}
	t.Fatal("no sum fits")
	return 0
}

// ESPHome's max44009: 0.045 lx a step; exponent 8 and mantissa 0x9c are 1797.12 lx.
func TestMAX44009(t *testing.T) {
	e := suite[*chip.I2COptions](MAX44009, 0x4a, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewMAX44009(0x89, 0x0c) }
	e.Want = []want{w("illuminance", 1797.12, 1e-9)}
	e.Run(t)
}

// DS22088 table 4-3: 15.625 µV a step of 18 bits, 2.048 V full scale.
func TestMCP342x(t *testing.T) {
	e := suite[*chip.I2COptions](MCP3424, 0x68, nil)
	e.Chip = func() i2ctest.Chip {
		c := &i2ctest.MCP342x{Code: map[byte]int32{0x00: 64000, 0x23: -32000}}
		c.PowerOn()
		return c
	}
	e = withChannels(t, e, func(drivers.Driver) []drivers.ChannelConfig {
		return []drivers.ChannelConfig{
			{Name: "level", Options: &mcp342xInput{Input: 1, Gain: 1, inputs: 4}}, {Name: "shunt", Options: &mcp342xInput{Input: 2, Gain: 8, inputs: 4}}}
	})
	e.Want = []want{w("level", 1, 1e-9), w("shunt", -0.0625, 1e-9)}
	e.States = []i2ctest.State{{Name: "beyond", Set: func(c i2ctest.Chip) { c.(*i2ctest.MCP342x).Code[0] = 1<<17 - 1 }, Err: "level: ", Want: e.Want[1:]}}
	e.Run(t)
	o := MCP3421(nil).ChannelOptions().(*mcp342xInput)
	if o.Input = 2; o.Check() == nil {
		t.Error("an MCP3421 has a second input")
	}
}

// Scales of ESPHome's sfa30 and esp-idf-lib's sfa3x: 1/5 ppb, 1/100 %, 1/200 °C.
func TestSFA30(t *testing.T) {
	e := suite[*chip.I2COptions](SFA30, 0x5d, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSFA30(101, 4512, 4690) }
	e.Want = []want{w("formaldehyde", 20.2, 1e-9), w("humidity", 45.12, 1e-9), w("temperature", 23.45, 1e-9)}
	e.Protected = true
	e.Run(t)
}

// RIOT's sdp3x: the scale comes with the number, 60 per Pa for the 500 Pa parts; 1/200 °C.
func TestSDP3x(t *testing.T) {
	e := suite[*chip.I2COptions](SDP3x, 0x21, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSDP3x(0xfed4, 5000, 60) }
	e.Want = []want{w("difference", -5, 1e-9), w("temperature", 25, 1e-9)} // as a flow of mass it would be another number
	e.Protected = true
	e.Run(t)
}
