package chips

import (
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/driverstest/i2cmodel"
	"sensorgate/drivers/i2c/bus"
)

func celsius(v float64) []want { return []want{w("temperature", v, 1e-9)} }

// warmth makes the states of a thermometer from vectors: the data sheet's own table.
func warmth(t *testing.T, ids ...string) []driverstest.I2CState {
	var all []driverstest.I2CState
	for _, id := range ids {
		v := load(t, id)
		b := v.bytes(t, "")
		all = append(all, driverstest.I2CState{
			Name: id,
			Set:  func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).Raw = uint16(b[0])<<8 | uint16(b[1]) },
			Want: celsius(v.number(t, "temperature_Cel")),
		})
	}
	return all
}

func TestTMP102(t *testing.T) {
	for _, d := range []func(*bus.Buses) drivers.Driver{TMP102, TMP112} {
		e := sit[*At](d, 0x48, nil)
		e.Chip = func() driverstest.I2CChip { return i2cmodel.NewTMP102(0x1900) }
		e.Want = celsius(25)
		e.States = warmth(t, "TMP102-1", "TMP102-3", "TMP102-5", "TMP102-7", "TMP102-9", "TMP102-11")
		e.States = append(e.States, driverstest.I2CState{Name: "below its range", Err: "out of range",
			Set: func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).Raw = 0x8000 }})
		e.Run(t)
	}
}

func TestLM75(t *testing.T) {
	e := sit(LM75, 0x4f, func(o *lm75Options) {})
	// The seven low bits of an LM75 mean nothing.
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewLM75(0x197f) }
	e.Want = celsius(25)
	set := func(raw uint16) func(driverstest.I2CChip) {
		return func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).Raw = raw }
	}
	e.States = []driverstest.I2CState{ // SNIS153 table 1
		{Name: "125 °C", Set: set(0x7d00), Want: celsius(125)},
		{Name: "0.5 °C", Set: set(0x0080), Want: celsius(0.5)},
		{Name: "-0.5 °C", Set: set(0xff80), Want: celsius(-0.5)},
		{Name: "-55 °C", Set: set(0xc900), Want: celsius(-55)},
		{Name: "below its range", Set: set(0x8000), Err: "out of range"},
	}
	e.Run(t)
}

func TestTMP75(t *testing.T) {
	e := sit(TMP75, 0x49, func(o *lm75Options) {})
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewLM75(0x1900) }
	e.Want = celsius(25)
	e.States = warmth(t, "TMP102-1", "TMP102-7", "TMP102-9", "TMP102-11")
	e.Run(t)
}

func TestTMP117(t *testing.T) {
	e := sit[*At](TMP117, 0x48, nil)
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewTMP117(0x0c80) }
	e.Want = celsius(25)
	e.WrongChip = func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).IDs[0x0f] = 0x0190 }
	e.WrongID = "0x190"
	e.States = warmth(t, "TMP117-3", "TMP117-5", "TMP117-7", "TMP117-9")
	set := func(raw uint16) func(driverstest.I2CChip) {
		return func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).Raw = raw }
	}
	// The ends of the data sheet's table: what the register can say and the sensor cannot,
	// and what it holds at power-on.
	for id, says := range map[string]string{"TMP117-1": "of 255.992 °C is out of range", "TMP117-11": "not finished"} {
		b := load(t, id).bytes(t, "")
		e.States = append(e.States, driverstest.I2CState{Name: id, Set: set(uint16(b[0])<<8 | uint16(b[1])), Err: says})
	}
	e.Run(t)
}

func TestMCP9808(t *testing.T) {
	e := sit[*At](MCP9808, 0x18, nil)
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewMCP9808(0xc194) }
	e.Want = celsius(load(t, "MCP9808-1").number(t, "temperature_Cel"))
	e.WrongChip = func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).IDs[0x07] = 0x3300 }
	e.WrongID = "0x3300"
	e.States = warmth(t, "MCP9808-3", "MCP9808-5")
	e.Run(t)
}

// ADT7410 data sheet Rev. A, table 5 (16 bits).
func TestADT7410(t *testing.T) {
	e := sit[*At](ADT7410, 0x48, nil)
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewADT7410(0x0c80) }
	e.Want = celsius(25)
	e.WrongChip = func(c driverstest.I2CChip) { c.(*i2cmodel.Thermal8).ID = 0x12; c.PowerOn() }
	e.WrongID = "0x12"
	set := func(raw uint16) func(driverstest.I2CChip) {
		return func(c driverstest.I2CChip) { c.(*i2cmodel.Thermal8).Raw = raw }
	}
	e.States = []driverstest.I2CState{
		{Name: "150 °C", Set: set(0x4b00), Want: celsius(150)},
		{Name: "-25 °C", Set: set(0xf380), Want: celsius(-25)},
		{Name: "-55 °C", Set: set(0xe480), Want: celsius(-55)},
		{Name: "below its range", Set: set(0x8000), Err: "out of range"},
	}
	e.Run(t)
}
