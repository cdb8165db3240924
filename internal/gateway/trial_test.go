package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
	"sensorgate/internal/status"
)

// speaker is a device that a test writes down as what it reports.
type speaker func(ctx context.Context, report drivers.Report) error

func (s speaker) Watch(ctx context.Context, report drivers.Report) error { return s(ctx, report) }

// Command is there because the device has registers to write; nobody may call it here.
func (s speaker) Command(context.Context, drivers.Command) error { panic("written") }

// occupies are options that claim something.
type occupies string

func (o occupies) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: string(o), ID: "x", Key: "x"}}
}

func trialDevice(on occupies, watch speaker, channels ...mapping.Channel) config.Device {
	d := config.Device{
		Name:   "meter",
		Driver: drivers.Driver{Name: "fake", Open: func(context.Context, drivers.DeviceConfig) (any, error) { return watch, nil }},
		Config: drivers.DeviceConfig{Device: "meter", Options: on},
		Map:    mapping.Device{Name: "meter", Node: "n", TopicTemplate: "{node}/{device}/{channel}", Channels: channels},
	}
	return d
}

// read stopped after the first block of a device and left the rest out without a word; a
// device with one register that can be written was not read at all.
func TestReadShowsEveryChannelOrWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := func(ctx context.Context, report drivers.Report) error {
			report(drivers.Reading{Channel: "power", Value: drivers.Number(2), Unit: "kW"}, nil)
			if !drivers.Sleep(ctx, time.Second) { // the next block
				return ctx.Err()
			}
			report(drivers.Reading{Channel: "energy", Value: drivers.Number(7), Unit: "kWh"}, nil)
			report(drivers.Reading{}, fmt.Errorf("unit 1: %w", &drivers.ChannelError{Channel: "target", Err: errors.New("0.7 is outside the plausible range 5 to 30")}))
			<-ctx.Done()
			return ctx.Err()
		}
		d := trialDevice("bus", watch, mapping.Channel{Name: "power", Unit: "W", Filters: mapping.Filters{Scale: 1000}},
			mapping.Channel{Name: "energy", Unit: "kWh"}, mapping.Channel{Name: "gas"}, mapping.Channel{Name: "target", Writable: true, Kind: drivers.State})
		got := tryDevice(t.Context(), d, quiet)
		want := map[string]string{"power": "2000 W raw 2 kW", "energy": "7 kWh raw 7 kWh", "target": "failing: 0.7 is outside the plausible range 5 to 30", "gas": "starting: has not come in 10s"}
		for _, c := range got.Channels {
			text := string(c.State) + ": " + c.Error
			if c.Error == "" {
				text = c.Value.String() + " " + c.Unit + " raw " + c.Raw.String() + " " + c.RawUnit
			}
			if c.Name == "gas" { // how long it was waited for is not what this is about
				text, want["gas"] = "starting: "+c.Error[:len("has not come in")], "starting: has not come in"
			}
			if text != want[c.Name] {
				t.Errorf("%s is shown as %q, want %q", c.Name, text, want[c.Name])
			}
			delete(want, c.Name)
		}
		if len(want) > 0 || got.OK || got.Skipped {
			t.Errorf("lacks %v; ok %v, skipped %v: %s", want, got.OK, got.Skipped, got.Text)
		}
		text, err := json.Marshal(got)
		if err != nil || !strings.Contains(string(text), `"value":2000,"unit":"W"`) {
			t.Errorf("as JSON %s %v, want numbers as numbers", text, err)
		}
	})
}

func TestReadDoesNotOpenOutputs(t *testing.T) {
	opened := func(context.Context, drivers.Report) error { t.Error("the output was opened"); return nil }
	if got := tryDevice(t.Context(), trialDevice("gpio", opened, mapping.Channel{Name: "state", Kind: drivers.State, Writable: true}), quiet); !got.Skipped {
		t.Errorf("got %+v, want it skipped", got)
	}
}

// status and read showed values before scale and offset beside the configured unit.
func TestStatusShowsWhatIsPublished(t *testing.T) {
	m := mapping.Device{Channels: []mapping.Channel{{Name: "never"}}}
	got := channelsOf(m, []drivers.ChannelHealth{{Channel: "pressure", State: drivers.OK}}, map[string]seen{"pressure": {
		raw: drivers.Reading{Value: drivers.Number(101325), Unit: "Pa"}, published: drivers.Reading{Value: drivers.Number(1013.3), Unit: "hPa", Time: time.Unix(1e9, 0)}}})
	if len(got) != 2 || got[0].Name != "never" || got[0].State != drivers.Starting || got[1].Value.String() != "1013.3" || got[1].Unit != "hPa" || got[1].RawUnit != "Pa" {
		t.Fatalf("channels are %+v", got)
	}
	s := status.Snapshot{Time: time.Unix(1e9, 0), Devices: []status.Device{{Name: "d", State: drivers.OK, Channels: got}}}
	for raw, want := range map[bool]string{false: "d       pressure  1013.3 hPa  0s   ok", true: "d       pressure  1013.3 hPa  101325 Pa  0s   ok"} {
		var b strings.Builder
		if err := s.WriteTable(&b, raw); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("the table is\n%s\nwant %q", b.String(), want)
		}
	}
}
