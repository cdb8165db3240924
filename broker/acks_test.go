package broker

import (
	"testing"

	"sensorgate/internal/mqtt"
)

// TestAcksLeaveInOrderWithoutAllocation turns over a window of acknowledgements whose commits
// come in any order, as a busy publisher of QoS 2 has it.
func TestAcksLeaveInOrderWithoutAllocation(t *testing.T) {
	const window = 100
	var q ackQueue
	var id, want uint16
	open := func() {
		id++
		token := q.open(ack{typ: mqtt.PUBREC, id: id})
		q.expect(token, 1, 0)
	}
	turn := func() {
		for k := uint64(window); k > 0; k-- { // the last first
			q.committed(q.first+k-1, nil)
		}
		for range window {
			a, ok := q.next()
			if want++; !ok || a.id != want {
				t.Fatalf("%d left as %d (%v)", want, a.id, ok)
			}
			open()
		}
		if _, ok := q.next(); ok || q.len() != window {
			t.Fatalf("one without its commit left, or %d wait instead of %d", q.len(), window)
		}
	}
	for range window {
		open()
	}
	turn()
	const turns = 20
	n := testing.AllocsPerRun(10, func() {
		for range turns {
			turn()
		}
	})
	if n > 0 {
		t.Errorf("%.0f allocations for %d acknowledgements", n, turns*window)
	}
}
