package chips

import (
	"testing"

	"sensorgate/drivers/i2c/i2ctest"
)

// The reference is Bosch's BME280_SensorAPI c90d419 in double precision and the worked
// example of BST-BMP280-DS001 section 3.12.
func TestBME280(t *testing.T) {
	v := load(t, "BME280-1")
	chip := func() i2ctest.Chip { return bmeOf(t, "BME280-1", 0x60) }
	e := suite[*bmeOptions](onI2C(BME280), 0x76, nil)
	e.Chip = chip
	e.Want = bmeWant(t, v)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.BME280).ID = 0x58; c.PowerOn() }
	e.WrongID = "bmp280 (id 0x58)"
	// Further values come with their own coefficients.
	for _, id := range []string{"BME280-3", "BME280-5", "BME280-7"} {
		v := load(t, id)
		e.States = append(e.States, i2ctest.State{
			Name: id + " " + v.What,
			Set:  func(c i2ctest.Chip) { bmeBecome(t, c, v) },
			Want: bmeWant(t, v),
		})
	}
	e.States = append(e.States,
		i2ctest.State{
			Name: "saturated",
			Set:  func(c i2ctest.Chip) { c.(*i2ctest.BME280).Raw = unhex(t, "655AC0 7EED00 B000") },
			Want: []want{w("temperature", 25.0825, 0.01), w("pressure", 100653.26, 1), w("humidity", 100, 0.01)},
		},
		i2ctest.State{
			Name: "h5 is -50", // 0xfce in 0xe5 (upper half) and 0xe6
			Set: func(c i2ctest.Chip) {
				c.(*i2ctest.BME280).Calibration2 = unhex(t, "6E01 00 13 E5 FC 1E")
				c.PowerOn()
			},
			Want: []want{w("temperature", 25.0825, 0.01), w("pressure", 100653.26, 1), w("humidity", 66.39, 0.01)},
		},
		i2ctest.State{
			Name: "colder than it can be",
			Set:  func(c i2ctest.Chip) { c.(*i2ctest.BME280).Raw = unhex(t, "655AC0 400000 7A76") },
			Err:  "outside the plausible range",
		},
	)
	e.Run(t)
}

func TestBMP280(t *testing.T) {
	e := suite[*bmeOptions](onI2C(BMP280), 0x77, func(o *bmeOptions) { o.Oversampling = 16 })
	e.Chip = func() i2ctest.Chip { return bmeOf(t, "BME280-1", 0x58) }
	e.Want = bmeWant(t, load(t, "BME280-1"))[:2]
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.BME280).ID = 0x60; c.PowerOn() }
	e.WrongID = "bme280 (id 0x60)"
	e.Run(t)
}

func bmeOf(t testing.TB, id string, chipID byte) *i2ctest.BME280 {
	v := load(t, id)
	return i2ctest.NewBME280(chipID, v.bytes(t, "reg88"), v.bytes(t, "regE1"), v.bytes(t, "regF7"))
}

func bmeBecome(t testing.TB, c i2ctest.Chip, v vector) {
	m := c.(*i2ctest.BME280)
	m.Calibration, m.Calibration2, m.Raw = v.bytes(t, "reg88"), v.bytes(t, "regE1"), v.bytes(t, "regF7")
	m.PowerOn()
}

func bmeWant(t testing.TB, v vector) []want {
	return []want{
		w("temperature", v.number(t, "temperature_Cel"), 0.01),
		w("pressure", v.number(t, "pressure_Pa"), 1),
		w("humidity", v.number(t, "humidity_%RH"), 0.01),
	}
}
