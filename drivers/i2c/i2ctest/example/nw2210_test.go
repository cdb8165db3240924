package example

import (
	"testing"

	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

// The data sheet's own example pins the numbers to the world; the simulator cannot, as
// it was made from the same reading of the data sheet. Section 5.5: 0C 80, 64 00.
func TestNW2210DataSheetExample(t *testing.T) {
	got, err := decodeNW2210([]byte{0x01, 0x0c, 0x80, 0x75, 0x64, 0x00, 0xa1})
	if err != nil || got[0] != 25 || got[1] != 50 {
		t.Errorf("got %v, %v; want 25 °C and 50 %%", got, err)
	}
}

func TestNW2210(t *testing.T) {
	air := func(celsius, humidity float64) []driverstest.Want {
		return []driverstest.Want{{Channel: "temperature", Value: celsius, Within: 0.01}, {Channel: "humidity", Value: humidity, Within: 0.01}}
	}
	measures := func(celsius, humidity float64) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*Simulator).Celsius, c.(*Simulator).Humidity = celsius, humidity }
	}
	i2ctest.Suite{
		Driver:  NW2210,
		Address: 0x4c,
		Chip:    func() i2ctest.Chip { return NewSimulator(21.5, 40) },
		Want:    air(21.5, 40),
		States: []i2ctest.State{
			{Name: "below zero", Set: measures(-10.25, 80), Want: air(-10.25, 80)},
			{Name: "hotter than it can be", Set: measures(130, 40), Err: "outside the plausible range"},
		},
		// Every byte of a measurement is under a checksum, so the suite turns each bit once.
		Protected: true,
		WrongChip: func(c i2ctest.Chip) { c.(*Simulator).ID = 0x1234; c.PowerOn() },
		WrongID:   "0x1234",
	}.Run(t)
}

func TestNW2210Options(t *testing.T) {
	for rate, right := range map[int]bool{1: true, 2: true, 4: true, 0: false, 3: false} {
		if err := (&nwOptions{Rate: rate}).Check(); (err == nil) != right {
			t.Errorf("rate %d: %v", rate, err)
		}
	}
}
