package chip

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/bus"
)

// made is a chip that needs no bus: it answers what a test says and counts its openings.
type made struct {
	values []float64
	err    error
	opened int
}

func (m *made) open(t *testing.T) drivers.Poller {
	t.Helper()
	d := Driver[*I2COptions]{
		Name: "made", Options: NoOptions,
		Channels: []drivers.Channel{Temperature(-40, 85), Pressure(30000, 110000), Humidity()},
		Needs:    Need("temperature", "pressure"),
		Open: func(context.Context, *bus.Dev, *I2COptions) (Read, error) {
			m.opened++
			return func(context.Context) ([]float64, error) { return m.values, m.err }, nil
		},
	}.On(bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return nil, drivers.ErrAbsent }))
	o := d.Options().(*I2COptions)
	o.SetAddress(bus.Addr{Bus: "1", Chip: 0x40})
	dev, err := d.Open(t.Context(), drivers.DeviceConfig{Device: "d", Options: o, Every: time.Second, Store: driverstest.Store{}})
	if err != nil {
		t.Fatal(err)
	}
	return dev.(drivers.Poller)
}

func is(channel string, v float64) driverstest.Want {
	return driverstest.Want{Channel: channel, Value: v}
}

func TestAFaultOfOneChannelCostsThatChannelAndThoseComputedWithIt(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		values []float64
		err    error
		want   []driverstest.Want
		faults []string
	}{
		{"all right", []float64{20, 100000, 50}, nil, []driverstest.Want{is("temperature", 20), is("pressure", 100000), is("humidity", 50)}, nil},
		{"nothing new", []float64{20, nan, 50}, nil, []driverstest.Want{is("temperature", 20), is("humidity", 50)}, nil},
		{"humidity out of range", []float64{20, 100000, 101}, nil, []driverstest.Want{is("temperature", 20), is("pressure", 100000)},
			[]string{"humidity: 101 is outside the plausible range 0 to 100"}},
		{"temperature out of range", []float64{90, 100000, 50}, nil, []driverstest.Want{is("humidity", 50)},
			[]string{"temperature: 90 is outside", "pressure: is computed with temperature, which is wrong"}},
		{"infinite", []float64{20, inf, 50}, nil, []driverstest.Want{is("temperature", 20), is("humidity", 50)}, []string{"pressure: the chip returned something that is not a number"}},
		{"a fault of the chip's", []float64{20, 100000, nan}, Fault("humidity", broken), []driverstest.Want{is("temperature", 20), is("pressure", 100000)}, []string{"humidity: broken"}},
		{"without its temperature", []float64{nan, nan, 50}, Fault("temperature", broken), []driverstest.Want{is("humidity", 50)}, []string{"temperature: broken", "pressure: is computed with"}},
	} {
		m := &made{values: c.values, err: c.err}
		rs, err := m.open(t).Poll(t.Context())
		driverstest.Check(t, c.name, rs, nil, c.want)
		if len(c.faults) == 0 {
			driverstest.Check(t, c.name, rs, err, c.want)
			continue
		}
		driverstest.WantError(t, c.name, nil, err, append(c.faults, "made", "i2c bus 1", "0x40")...)
		if faults, single := drivers.ChannelFaults(err); !single || len(faults) != len(c.faults) {
			t.Errorf("%s: faults %v (nothing else: %v), want %v", c.name, faults, single, c.faults)
		}
	}
}

// Opening again would restart what the others measure: a chip of which some channels are
// right stays open, one of which none is right is set up anew.
func TestAChipStaysOpenWhileSomeChannelsAreRight(t *testing.T) {
	m := &made{values: []float64{20, 100000, 101}}
	dev := m.open(t)
	for range 3 {
		dev.Poll(t.Context())
	}
	if m.opened != 1 {
		t.Errorf("opened %d times for a fault of the humidity, want once", m.opened)
	}
	m.values = []float64{90, 100000, 101}
	dev.Poll(t.Context())
	dev.Poll(t.Context())
	if m.opened != 2 {
		t.Errorf("opened %d times when nothing was right, want once more", m.opened)
	}
	m.values, m.err = []float64{20, 100000, 50}, errors.New("no answer")
	if rs, err := dev.Poll(t.Context()); err == nil || len(rs) != 0 {
		t.Errorf("a failed read: %v, %v", rs, err)
	}
	m.err = nil
	if rs, err := dev.Poll(t.Context()); err != nil || len(rs) != 3 || m.opened != 4 {
		t.Errorf("after it: %v, %v, opened %d times; want it opened again", rs, err, m.opened)
	}
}
