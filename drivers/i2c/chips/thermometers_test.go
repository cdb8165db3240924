package chips

import (
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func celsius(v float64) []want { return []want{w("temperature", v, 1e-9)} }

// warmth makes the states of a thermometer from vectors: the data sheet's own table.
func warmth(t *testing.T, ids ...string) []i2ctest.State {
	var all []i2ctest.State
	for _, id := range ids {
		v := load(t, id)
		b := v.bytes(t, "")
		all = append(all, i2ctest.State{
			Name: id,
			Set:  func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).Raw = uint16(b[0])<<8 | uint16(b[1]) },
			Want: celsius(v.number(t, "temperature_Cel")),
		})
	}
	return all
}

func TestTMP102(t *testing.T) {
	for _, d := range []func(*bus.Buses) drivers.Driver{TMP102, TMP112} {
		e := suite[*chip.I2COptions](d, 0x48, nil)
		e.Chip = func() i2ctest.Chip { return i2ctest.NewTMP102(0x1900) }
		e.Want = celsius(25)
		e.States = warmth(t, "TMP102-1", "TMP102-3", "TMP102-5", "TMP102-7", "TMP102-9", "TMP102-11")
		e.States = append(e.States, i2ctest.State{Name: "below its range", Err: "outside the plausible range",
			Set: func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).Raw = 0x8000 }})
		e.Run(t)
	}
}

func TestLM75(t *testing.T) {
	e := suite(LM75, 0x4f, func(o *lm75Options) {})
	// The seven low bits of an LM75 mean nothing.
	e.Chip = func() i2ctest.Chip { return i2ctest.NewLM75(0x197f) }
	e.Want = celsius(25)
	set := func(raw uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).Raw = raw }
	}
	e.States = []i2ctest.State{ // SNIS153 table 1
		{Name: "125 °C", Set: set(0x7d00), Want: celsius(125)},
		{Name: "0.5 °C", Set: set(0x0080), Want: celsius(0.5)},
		{Name: "-0.5 °C", Set: set(0xff80), Want: celsius(-0.5)},
		{Name: "-55 °C", Set: set(0xc900), Want: celsius(-55)},
		{Name: "below its range", Set: set(0x8000), Err: "outside the plausible range"},
	}
	e.Run(t)
}

func TestTMP75(t *testing.T) {
	e := suite(TMP75, 0x49, func(o *lm75Options) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewTMP75(0x1910) }
	e.Want = celsius(25.0625)
	e.States = warmth(t, "TMP102-1", "TMP102-7", "TMP102-9", "TMP102-11")
	e.Run(t)
}

func TestTMP117(t *testing.T) {
	e := suite[*chip.I2COptions](TMP117, 0x48, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewTMP117(0x0c80) }
	e.Want = celsius(25)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).IDs[0x0f] = 0x0190 }
	e.WrongID = "0x190"
	e.States = warmth(t, "TMP117-3", "TMP117-5", "TMP117-7", "TMP117-9")
	set := func(raw uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).Raw = raw }
	}
	// The ends of the data sheet's table: what the register can say and the sensor cannot,
	// and what it holds at power-on.
	for id, says := range map[string]string{"TMP117-1": "temperature: 255.9921875 is outside the plausible range -55 to 150", "TMP117-11": "not finished"} {
		b := load(t, id).bytes(t, "")
		e.States = append(e.States, i2ctest.State{Name: id, Set: set(uint16(b[0])<<8 | uint16(b[1])), Err: says})
	}
	e.Run(t)
}

func TestMCP9808(t *testing.T) {
	e := suite[*chip.I2COptions](MCP9808, 0x18, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewMCP9808(0xc194) }
	e.Want = celsius(load(t, "MCP9808-1").number(t, "temperature_Cel"))
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).IDs[0x07] = 0x3300 }
	e.WrongID = "0x3300"
	e.States = warmth(t, "MCP9808-3", "MCP9808-5")
	e.Run(t)
}

// ADT7410 data sheet Rev. A, table 5 (16 bits).
func TestADT7410(t *testing.T) {
	e := suite[*chip.I2COptions](ADT7410, 0x48, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewADT7410(0x0c80) }
	e.Want = celsius(25)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Thermal8).ID = 0x12; c.PowerOn() }
	e.WrongID = "0x12"
	set := func(raw uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.Thermal8).Raw = raw }
	}
	e.States = []i2ctest.State{
		{Name: "150 °C", Set: set(0x4b00), Want: celsius(150)},
		{Name: "-25 °C", Set: set(0xf380), Want: celsius(-25)},
		{Name: "-55 °C", Set: set(0xe480), Want: celsius(-55)},
		{Name: "below its range", Set: set(0x8000), Err: "outside the plausible range"},
	}
	e.Run(t)
}
