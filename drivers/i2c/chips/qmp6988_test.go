package chips

import (
	"testing"

	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// The maker's integer code, as ESPHome's component and esp-idf-lib have it, computed apart from
// these coefficients of both signs: 19.12109375 °C and 82944.6875 Pa; 7.78515625 °C and 57324 Pa.
var qmpRaw = []byte{0x2a, 0x10, 0x12, 0x34, 0xf1, 0x20, 0x05, 0x60, 0xfa, 0x10, 0x21, 0x43, 0xe0, 0x10, 0x1a, 0x2b, 0xd0, 0x07, 0x11, 0x80, 0xf8, 0x30, 0x15, 0x20, 0x5c}

func TestQMP6988(t *testing.T) {
	e := suite[*chip.I2COptions](QMP6988, 0x70, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewQMP6988(qmpRaw, 0xa00000, 0x7f0000) }
	e.Want = []want{w("temperature", 19.12109375, 0.005), w("pressure", 82944.6875, 0.5)}
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.QMP6988).ID = 0x58; c.PowerOn() }
	e.WrongID = "0x58"
	e.States = []i2ctest.State{
		{Name: "high and cold", Want: []want{w("temperature", 7.78515625, 0.005), w("pressure", 57324, 0.5)},
			Set: func(c i2ctest.Chip) { c.(*i2ctest.QMP6988).P, c.(*i2ctest.QMP6988).T = 0x950000, 0x860000 }},
		{Name: "no coefficients", Err: "calibration is empty", Set: func(c i2ctest.Chip) {
			c.(*i2ctest.QMP6988).Coefficients = make([]byte, 25)
			c.PowerOn()
		}},
	}
	e.Run(t)
}
