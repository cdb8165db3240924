package chips

import (
	"io"
	"math"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/i2ctest"
)

func fanSuite() i2ctest.Suite {
	exit := 100.0
	e := suite(EMC2101, 0x4c, func(o *emc2101Options) {
		o.levelOptions = levelOptions{Start: 50, Exit: &exit, Failsafe: &levelFailsafe{After: time.Minute, Level: 100}}
	})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewEMC2101() }
	e.Want = []want{w("duty", 50, 0), w("speed", 1500, 0), w("temperature", 45.375, 0), w("ambient", 31, 0)}
	return e
}

// ESPHome's component: 5,400,000 by the counts of the tachometer, 0xffff is none; eighths of a
// degree. The kernel's patch: 0x7f00 and 0x7fe0 are a diode that is open, or shorted.
func TestEMC2101(t *testing.T) {
	e := fanSuite()
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.EMC2101).ID = 0x21; c.PowerOn() }
	e.WrongID = "0x21"
	outside := func(v uint16) func(i2ctest.Chip) {
		return func(c i2ctest.Chip) { c.(*i2ctest.EMC2101).Outside = v }
	}
	others := []want{w("duty", 50, 0), w("speed", 1500, 0), w("ambient", 31, 0)}
	e.States = []i2ctest.State{
		{Name: "stands", Want: []want{w("duty", 50, 0), w("speed", 0, 0), w("temperature", 45.375, 0), w("ambient", 31, 0)},
			Set: func(c i2ctest.Chip) { c.(*i2ctest.EMC2101).Turns = 0xffff }},
		{Name: "below zero", Set: outside(0xf6a0), Want: []want{w("duty", 50, 0), w("speed", 1500, 0), w("temperature", -9.375, 0), w("ambient", 31, 0)}},
		{Name: "open", Set: outside(0x7f00), Want: others, Err: "temperature: the diode is open"},
		{Name: "shorted", Set: outside(0x7fe0), Want: others, Err: "temperature: the diode is shorted"},
		{Name: "no tachometer's number", Want: []want{w("duty", 50, 0), w("temperature", 45.375, 0), w("ambient", 31, 0)}, Err: "speed",
			Set: func(c i2ctest.Chip) { c.(*i2ctest.EMC2101).Turns = 0 }},
	}
	e.Run(t)
}

// A fan goes as commanded, at full speed when nobody commands it any more, and where the file says
// at the end.
func TestFanIsCommandedSafeAndEnds(t *testing.T) {
	c := i2ctest.NewEMC2101()
	onBus(t, fanSuite(), c, func(t *testing.T, dev any, _ *i2ctest.Bus) {
		is := func(when string, percent float64) {
			t.Helper()
			if _, err := driverstest.Poll(t.Context(), dev.(drivers.Poller)); err != nil || math.Abs(c.Duty()-percent) > 1.1 {
				t.Errorf("%s: %g %%, %v; want %g", when, c.Duty(), err, percent)
			}
		}
		is("started", 50)
		for _, percent := range []string{"0", "100", "30"} {
			if err := dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "duty", Payload: []byte(percent)}); err != nil {
				t.Error(err)
			}
		}
		is("commanded", 30)
		time.Sleep(61 * time.Second)
		is("without a command for a minute", 100)
		if err := dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "duty", Payload: []byte("10")}); err != nil {
			t.Error(err)
		}
		is("commanded again", 10)
		if err := dev.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
		if c.Duty() != 100 {
			t.Errorf("ended at %g %%", c.Duty())
		}
	})
}
