package chips

import (
	"errors"
	"io"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// outputsSuite has a lamp that starts at 25 %, and a fan that is safe at 10 % and full at the
// end.
func outputsSuite(t *testing.T, name string) i2ctest.Suite {
	exit := 100.0
	lamp := levelOptions{Start: 25}
	fan := levelOptions{Exit: &exit, Failsafe: &levelFailsafe{After: time.Minute, Level: 10}}
	if name == "mcp4725" {
		s := suite(MCP4725, 0x60, func(o *mcp4725Options) { o.levelOptions = fan; o.Start = 25 })
		s.Chip = func() i2ctest.Chip { return i2ctest.NewDAC(1) }
		s.Want = []want{w("output", 25, 0)}
		return s
	}
	two := func(first, second string) func(d drivers.Driver) []drivers.ChannelConfig {
		return func(d drivers.Driver) (all []drivers.ChannelConfig) {
			for _, c := range []struct {
				name, output string
				o            levelOptions
			}{{"lamp", first, lamp}, {"fan", second, fan}} {
				o := d.ChannelOptions().(*outputOptions)
				o.Output, o.levelOptions = c.output, c.o
				if err := o.Check(); err != nil {
					t.Fatal(err)
				}
				all = append(all, drivers.ChannelConfig{Name: c.name, Options: o})
			}
			return all
		}
	}
	s := withChannels(t, suite[*chip.I2COptions](MCP4728, 0x60, nil), two("B", "D"))
	s.Chip = func() i2ctest.Chip { return i2ctest.NewDAC(4) }
	if name == "pca9685" {
		s = withChannels(t, suite(PCA9685, 0x40, func(o *pca9685Options) { o.Frequency = 50 }), two("1", "15"))
		s.Chip = func() i2ctest.Chip { return i2ctest.NewPCA9685() }
	}
	s.Want = []want{w("lamp", 25, 0), w("fan", 0, 0)}
	return s
}

func TestOutputs(t *testing.T) {
	for _, name := range []string{"mcp4725", "mcp4728", "pca9685"} {
		t.Run(name, func(t *testing.T) {
			outputsSuite(t, name).Run(t)
		})
	}
}

// shown is what stands at the pins of a simulator's last output, in %.
func shown(c i2ctest.Chip) float64 {
	switch c := c.(type) {
	case *i2ctest.DAC:
		n := 0
		if c.Outputs > 1 {
			n = 3
		}
		return float64(c.Now[n]) / 4095 * 100
	case *i2ctest.Registers:
		r := c.Reg[0x06+4*15:]
		switch {
		case r[3]&0x10 != 0:
			return 0
		case r[1]&0x10 != 0:
			return 100
		}
		return float64(int(r[3])<<8|int(r[2])) / 4096 * 100
	}
	return -1
}

// An output does what is commanded, is safe when its controller is silent, and ends where the
// file says; what cannot be is refused.
func TestOutputsAreCommandedSafeAndEnd(t *testing.T) {
	for name, channel := range map[string]string{"mcp4725": "output", "mcp4728": "fan", "pca9685": "fan"} {
		s := outputsSuite(t, name)
		s.Every = time.Second
		c := s.Chip()
		onBus(t, s, c, func(t *testing.T, dev any, b *i2ctest.Bus) {
			send := func(channel, payload string) error {
				return dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: channel, Payload: []byte(payload)})
			}
			is := func(when string, percent float64) {
				t.Helper()
				rs, err := driverstest.Poll(t.Context(), dev.(drivers.Poller))
				if err != nil || rs[len(rs)-1].Value.String() != drivers.Number(percent).String() || shown(c) < percent-0.02 || shown(c) > percent+0.02 {
					t.Errorf("%s %s: %v, %v, at its pin %g %%; want %g", name, when, rs, err, shown(c), percent)
				}
			}
			for _, percent := range []string{"50", "100", "0", "33.3"} {
				if err := send(channel, percent); err != nil {
					t.Errorf("%s: %s %%: %v", name, percent, err)
				}
			}
			is("commanded", 33.3)
			for _, bad := range []string{"101", "-1", "on"} {
				if err := send(channel, bad); !errors.Is(err, drivers.ErrRefused) {
					t.Errorf("%s: %s: %v, want it refused", name, bad, err)
				}
			}
			if err := send("nobody", "1"); !errors.Is(err, drivers.ErrNoCommands) {
				t.Errorf("%s: no such channel: %v", name, err)
			}
			time.Sleep(59 * time.Second)
			is("before a minute", 33.3)
			time.Sleep(2 * time.Second)
			is("without a command for a minute", 10)
			if err := send(channel, "60"); err != nil {
				t.Error(err)
			}
			is("commanded again", 60)
			b.With(c.PowerOn)
			if err := send(channel, "70"); err == nil {
				t.Errorf("%s: a command to a chip that was reset was called done", name)
			}
			if err := dev.(io.Closer).Close(); err != nil {
				t.Error(err)
			}
			if got := shown(c); got != 100 {
				t.Errorf("%s: ended at %g %%, want the level of exit", name, got)
			}
		})
	}
}

// 25 MHz through 4096 steps: esp-idf-lib rounds it to 121 for 50 Hz, and power-on's 0x1e is
// 200 Hz.
func TestPCA9685Frequency(t *testing.T) {
	for hertz, want := range map[float64]byte{50: 121, 200: 0x1e, 1526: 3, 24: 253} {
		if o := (pca9685Options{Frequency: hertz}); o.prescale() != want {
			t.Errorf("%g Hz: %d, want %d", hertz, o.prescale(), want)
		}
	}
	for _, o := range []*outputOptions{{Output: "16", names: []string{"0"}}, {Output: "0", names: []string{"0"}, levelOptions: levelOptions{Start: 101}},
		{Output: "0", names: []string{"0"}, levelOptions: levelOptions{Failsafe: &levelFailsafe{}}}} {
		if o.Check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
