package chips

import (
	"bytes"
	"fmt"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// Makers' own examples of their checksums, and the catalogue's check value.
func TestChecksums(t *testing.T) {
	for _, id := range []string{"SEN01", "SEN03", "SEN05", "SEN07", "SEN09", "SEN11", "SEN13"} {
		v := load(t, id)
		crcIs(t, v, byte(crcSensirion.Of(v.bytes(t, ""))))
	}
	crcIs(t, load(t, "CRC03"), byte(crcSensirion.Of([]byte("123456789"))))
	crcIs(t, load(t, "CRC01"), byte(crcSMBus.Of([]byte("123456789"))))
	for _, id := range []string{"HTU21-1", "HTU21-3"} {
		v := load(t, id)
		crcIs(t, v, byte(crcHTU21.Of(v.bytes(t, ""))))
	}
	modbus := load(t, "CRC04")
	if got := fmt.Sprintf("%04X", crcModbus.Of([]byte("123456789"))); got != modbus.Expect["crc"] {
		t.Errorf("CRC-16/MODBUS is %s, want %v", got, modbus.Expect["crc"])
	}
}

func crcIs(t *testing.T, v vector, got byte) {
	t.Helper()
	if want := unhex(t, v.Expect["crc"].(string)); !bytes.Equal(want, []byte{got}) {
		t.Errorf("%s: %02x, want %x (%s)", v.ID, got, want, v.Source)
	}
}

// setRaw makes a chip with two words measure others.
func setRaw(first, second uint16) func(i2ctest.Chip) {
	return func(c i2ctest.Chip) { c.(*i2ctest.Measuring).Raw = [2]uint16{first, second} }
}

func setID(id uint16) func(i2ctest.Chip) {
	return func(c i2ctest.Chip) { c.(*i2ctest.Measuring).ID = id }
}

func air(celsius, rh float64) []want {
	return []want{w("temperature", celsius, 0.001), w("humidity", rh, 0.001)}
}

func TestSHT3x(t *testing.T) {
	e := suite[*chip.I2COptions](SHT3x, 0x44, nil)
	v := load(t, "SHT3X-1")
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) }
	e.Want = air(v.number(t, "temperature_Cel"), v.number(t, "humidity_%RH"))
	e.Protected = true
	e.States = []i2ctest.State{
		{Name: "upper range", Set: setRaw(0xf800, 0x8000), Want: air(load(t, "SHT3X-3").number(t, "temperature_Cel"), 50.0008)},
		{Name: "below zero", Set: setRaw(0x1999, 0), Want: air(-27.5013, 0)}, // -45 + 175·6553/65535
		{Name: "below the range", Set: setRaw(0, 0x8000), Err: "outside the plausible range"},
		{Name: "all ones", Set: setRaw(0xffff, 0xffff), Err: "outside the plausible range"},
	}
	e.Run(t)
}

func TestSHT4x(t *testing.T) {
	e := suite[*chip.I2COptions](SHT4x, 0x44, nil)
	v := load(t, "SHT4X-1")
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSHT4x(0x6666, 0x8000) }
	e.Want = air(v.number(t, "temperature_Cel"), v.number(t, "humidity_%RH"))
	e.Protected = true
	e.States = []i2ctest.State{
		{Name: "below zero, dry", Set: setRaw(0x1999, 0), Want: air(-27.5013, 0)},
		{Name: "condensing", Set: setRaw(0x6666, 0xffff), Want: air(25, 100)},
		{Name: "below the range", Set: setRaw(0, 0x8000), Err: "outside the plausible range"},
	}
	e.Run(t)
}

func TestSHTC3(t *testing.T) {
	e := suite[*chip.I2COptions](SHTC3, 0x70, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSHTC3(0x6666, 0x8000) }
	e.Want = air(24.9993, 50)
	e.Protected = true
	e.WrongChip, e.WrongID = setID(0x0001), "0x01"
	e.States = []i2ctest.State{
		{Name: "below zero", Set: setRaw(0x1999, 0x4000), Want: air(-27.5016, 25)},
		{Name: "below the range", Set: setRaw(0, 0x8000), Err: "outside the plausible range"},
	}
	e.Run(t)
}

// 0x683a (24.7 °C) and 0x4e85 (32.3 %) are the HTU21D data sheet's own examples.
func TestHTU21(t *testing.T) {
	for _, d := range []func(*bus.Buses) drivers.Driver{HTU21D, SI7021, SHT21} {
		e := suite[*chip.I2COptions](d, 0x40, nil)
		e.Chip = func() i2ctest.Chip { return i2ctest.NewHTU21(0x683a, 0x4e85) }
		e.Want = air(24.6864, 32.3377)
		e.Protected = true
		e.States = []i2ctest.State{
			{Name: "below zero", Set: setRaw(0x2000, 0x0c02), Want: air(-24.885, 0)},
			{Name: "condensing", Set: setRaw(0x683a, 0xfffe), Want: air(24.6864, 100)},
			{Name: "no humidity", Set: setRaw(0x683a, 0), Err: "only zeros"},
			{Name: "below the range", Set: setRaw(0x0004, 0x4e86), Err: "outside the plausible range"},
		}
		e.Run(t)
	}
}

func TestHDC302x(t *testing.T) {
	e := suite[*chip.I2COptions](HDC302x, 0x44, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewHDC302x(0x6666, 0x8000) }
	e.Want = air(25, 50.0008)
	e.Protected = true
	e.WrongChip, e.WrongID = setID(0x2c06), "0x2c06"
	e.States = []i2ctest.State{{Name: "below zero", Set: setRaw(0x1999, 0), Want: air(-27.5013, 0)}}
	e.Run(t)
}
