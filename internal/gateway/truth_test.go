package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial/serialtest"
	"sensorgate/internal/mqtt"
)

// A channel that was always out of range vanished: its device was "ok" some milliseconds
// later, and status had no row for it.
func TestChannelOutOfRangeIsOnTheStatusTopic(t *testing.T) {
	far, path := serialtest.PTY(t)
	g := startGateway(t, fmt.Sprintf(`
[device.hand]
driver = "lines"
serial = { port = %q, line = "115200 8N1" }
match  = '^(?P<power>[0-9.]+) (?P<target>[0-9.]+)$'
[device.hand.channels]
power  = { unit = "kW", scale = 0.001, digits = 1 }
target = { unit = "°C", min = 5, max = 9 }
`, path))
	states, powers := make(chan string, 1000), make(chan string, 1000)
	g.broker.Subscribe("barn/hand/status", func(m *mqtt.Message) { states <- string(m.Payload) })
	g.broker.Subscribe("barn/hand/power", func(m *mqtt.Message) { powers <- string(m.Payload) })
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last, published, readings := "", 0, 0
	for readings < 200 {
		select {
		case <-tick.C:
			if _, err := far.WriteString("1260 1.23\n"); err != nil {
				t.Fatal(err)
			}
		case last = <-states:
			published++
		case <-powers:
			readings++
		case <-deadline:
			t.Fatalf("%d readings in 20 s, the status is %s", readings, last)
		}
	}
	var status struct {
		State    string
		Channels map[string]struct{ State, Error string }
	}
	if err := json.Unmarshal([]byte(last), &status); err != nil {
		t.Fatal(err)
	}
	if c := status.Channels["target"]; status.State != "degraded" || c.State != "failing" || !strings.Contains(c.Error, "1.23 is outside the plausible range 5 to 9") || len(status.Channels) != 1 {
		t.Errorf("after 200 readings the status is %s", last)
	}
	if published > 5 {
		t.Errorf("the status was published %d times", published)
	}
	s := g.Snapshot()
	var table strings.Builder
	if err := s.WriteTable(&table, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1.3 kW", "  1.26 kW  ", "target   -", "failing: 1.23 is outside"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("status shows no %q:\n%s", want, table.String())
		}
	}
	text, err := json.Marshal(stateOf(s))
	if err != nil || strings.Contains(string(text), `"devices"`) || !strings.Contains(string(text), `"not_well":[{"device":"hand","channel":"target","state":"failing"}]`) {
		t.Errorf("gateway/state is %s, %v", text, err)
	}
	if s.DeviceStates[drivers.Degraded] != 1 || s.ChannelStates[drivers.Failing] != 1 || s.ChannelStates[drivers.OK] != 1 {
		t.Errorf("counted %v and %v", s.DeviceStates, s.ChannelStates)
	}
}

// A channel that was right again for a moment and is wrong since is shown as wrong, not as
// ok without a value for a minute.
func TestChannelThatIsWrongAgainSaysSo(t *testing.T) {
	far, path := serialtest.PTY(t)
	g := startGateway(t, fmt.Sprintf(`
[device.hand]
driver = "lines"
serial = { port = %q, line = "115200 8N1" }
match  = '^(?P<power>[0-9.]+) (?P<target>[0-9.]+)$'
[device.hand.channels]
target = { min = 5, max = 9 }
`, path))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, turn := range []struct {
		line string
		want drivers.Condition
	}{{"1 1.23\n", drivers.Failing}, {"1 7\n", drivers.OK}, {"1 1.23\n", drivers.Failing}} {
		deadline := time.After(20 * time.Second)
		for state := drivers.Starting; state != turn.want; {
			select {
			case <-tick.C:
				if _, err := far.WriteString(turn.line); err != nil {
					t.Fatal(err)
				}
			case <-deadline:
				t.Fatalf("after 20 s of %q the channel is %s, want %s", turn.line, state, turn.want)
			}
			for _, c := range g.Snapshot().Devices[0].Channels {
				if c.Name == "target" {
					state = c.State
				}
			}
		}
	}
}
