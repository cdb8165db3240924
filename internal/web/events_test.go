package web

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Values come at most twice a second and channel, the newest counts; a browser that
// comes back gets what it missed, or learns that it missed too much.
func TestEventsAreGatheredAndResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		st, missed, ok := h.join(0, View)
		if !ok || missed != nil {
			t.Fatal("a first stream gets nothing from before")
		}
		for i := range 100 {
			h.Value(Value{Device: "pump", Channel: "power", Value: float64(i), Time: testNow})
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		h.leave(st)
		var got []string
		for e := range st.events {
			got = append(got, string(e.data))
		}
		if len(got) > 5 || !strings.Contains(got[len(got)-1], `"value":99`) || !strings.HasPrefix(got[0], "id: ") {
			t.Errorf("%d events in 2 s: %q", len(got), got)
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(got[0], "id: "), "\n")
		var id uint64
		fmt.Sscan(first, &id)
		h.State(State{Device: "pump", State: "failing"})
		_, missed, _ = h.join(id, View)
		if n := bytes.Count(missed, []byte("event: values")); n != len(got)-1 || !bytes.Contains(missed, []byte("event: state")) {
			t.Errorf("missed %d of %d: %s", n, len(got)-1, missed)
		}
		if _, missed, _ = h.join(id-1000, View); string(missed) != string(resetEvent) {
			t.Errorf("who missed too much gets %q", missed)
		}
	})
}

// A reader that does not read is cut, and the others go on.
func TestSlowStreamIsCut(t *testing.T) {
	h := NewHub()
	slow, _, _ := h.join(0, View)
	quick, _, _ := h.join(0, View)
	for range 3 * streamQueue {
		h.State(State{Device: "pump"})
		<-quick.events
	}
	if h.Streams() != 1 {
		t.Errorf("%d streams are left", h.Streams())
	}
	h.leave(slow)
}
