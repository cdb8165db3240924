package status

import (
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
)

// A device, an upstream or a channel's name cannot work the terminal of whoever looks,
// and its text stays in its cell.
func TestStatusEscapesTextsFromOutside(t *testing.T) {
	const evil = "\x1b[2J\x07\tx\n"
	now := time.Unix(1e9, 0)
	s := Snapshot{Node: "n", Time: now, ConfigErr: evil, Journal: Journal{Dir: "/d", Error: evil},
		Devices:   []Device{{Name: "d", Error: evil, Channels: []Channel{{Name: evil, Value: Value{drivers.Text(evil)}, Unit: evil, Time: now}}}},
		Upstreams: []Upstream{{Name: "u", Error: evil}},
	}
	var b strings.Builder
	if err := s.WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.ContainsAny(got, "\x1b\x07") || strings.Count(got, `\x1b[2J\x07`) != 7 {
		t.Errorf("the table is\n%q", got)
	}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "x") {
			t.Errorf("a text begins a line of its own: %q", line)
		}
	}
}

func TestTableLeavesOutThatNothingIsKnownToWaitForTheClock(t *testing.T) {
	for _, tt := range []struct {
		waits WaitsForClock
		shown bool
	}{
		{WaitsForClock{AtLeast: true}, false},
		{WaitsForClock{AtLeast: true, Messages: 3}, true},
	} {
		var b strings.Builder
		(&Snapshot{WaitsForClock: &tt.waits}).clockRow(&b)
		if shown := b.Len() > 0; shown != tt.shown {
			t.Errorf("%+v: %q", tt.waits, b.String())
		}
	}
}
