package chips

import (
	"bytes"
	"testing"

	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

func target(metres float64) []want { return []want{w("target", 1, 0), w("distance", metres, 1e-9)} }

var noTarget = []want{w("target", 0, 0)}

func TestVL53L0X(t *testing.T) {
	e := suite[*chip.I2COptions](VL53L0X, 0x29, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewVL53L0X(345) }
	e.Want = target(0.345)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.VL53L0X).ID = 0x50; c.PowerOn() }
	e.WrongID = "0x50"
	set := func(mm uint16, status byte) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) {
			c.(*i2ctest.VL53L0X).Millimetres, c.(*i2ctest.VL53L0X).Status = mm, status
		}
	}
	e.States = []i2ctest.State{
		{Name: "close", Set: set(0, 11), Want: target(0)},
		{Name: "nothing there", Set: set(8190, 4), Want: noTarget},
		{Name: "laser", Set: set(0, 1), Err: "laser"},
		{Name: "beyond", Set: set(8190, 11), Err: "outside the plausible range"},
	}
	e.Run(t)
}

func TestVL53L1X(t *testing.T) {
	if n := 0x87 - vl1Config + 1; len(vl53l1xConfig) != n {
		t.Fatalf("configuration of %d bytes, want %d: 0x2d to 0x87", len(vl53l1xConfig), n)
	}
	e := suite[*chip.I2COptions](VL53L1X, 0x29, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewVL53L1X(2345) }
	e.Want = target(2.345)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.VL53L1X).ID = 0xebaa; c.PowerOn() }
	e.WrongID = "0xebaa"
	set := func(mm uint16, status byte) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) {
			c.(*i2ctest.VL53L1X).Millimetres, c.(*i2ctest.VL53L1X).Status = mm, status
		}
	}
	e.States = []i2ctest.State{
		{Name: "nothing there", Set: set(0, 4), Want: noTarget},
		{Name: "wrapped around", Set: set(300, 7), Want: noTarget},
		{Name: "hardware", Set: set(300, 3), Err: "status 3"},
		{Name: "beyond", Set: set(8190, 9), Err: "outside the plausible range"},
	}
	e.Run(t)
}

// ST's VL53L4CD_SetRangeTiming, computed apart for a clock of 0xbccc: 0x02f3 and 0x03a2 for 50 ms.
func TestVL53L4CD(t *testing.T) {
	if len(vl53l4cdConfig) != len(vl53l1xConfig) {
		t.Fatalf("configuration of %d bytes, want %d: 0x2d to 0x87", len(vl53l4cdConfig), len(vl53l1xConfig))
	}
	e := suite[*chip.I2COptions](VL53L4CD, 0x29, nil)
	var timing []byte
	e.Chip = func() i2ctest.Chip { return i2ctest.NewVL53L4CD(345, 0xbccc) }
	e.Want = target(0.345)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.VL53L1X).ID = 0xeacc; c.PowerOn() }
	e.WrongID = `driver = "vl53l1x"`
	e.States = []i2ctest.State{
		{Name: "nothing there", Set: func(c i2ctest.Chip) { c.(*i2ctest.VL53L1X).Status = 4 }, Want: noTarget},
		{Name: "hardware", Set: func(c i2ctest.Chip) { c.(*i2ctest.VL53L1X).Status = 3 }, Err: "status 3"},
		{Name: "beyond", Set: func(c i2ctest.Chip) { c.(*i2ctest.VL53L1X).Millimetres = 8190 }, Err: "outside the plausible range"},
	}
	e.Run(t)
	c := i2ctest.NewVL53L4CD(345, 0xbccc)
	onBus(t, e, c, func(t *testing.T, dev any, _ *i2ctest.Bus) { timing = c.Timing() })
	if want := unhex(t, "02 f3 07 03 a2 05"); !bytes.Equal(timing, want) {
		t.Errorf("timing % x, want % x", timing, want)
	}
}
