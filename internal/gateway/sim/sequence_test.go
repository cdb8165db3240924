package sim

import (
	"fmt"
	"testing"
)

// What the check of the order lets through, and what not, for sendings and receipts of one topic.
func TestReceiptsOutOfSequenceAreFaults(t *testing.T) {
	for _, c := range []struct {
		sent, got []int
		qos       byte
		dropped   bool
		fault     bool
	}{
		{sent: []int{1, 2, 3}, got: []int{1, 2, 3}, qos: 1},
		{sent: []int{1, 2, 3}, got: []int{2, 1, 3}, qos: 1, fault: true},
		{sent: []int{1, 2, 3}, got: []int{2, 1, 3}, qos: 1, dropped: true, fault: true},
		{sent: []int{1, 2, 3, 1, 2, 3}, got: []int{3, 1, 2}, qos: 1, dropped: true},
		{sent: []int{1, 2, 3, 1, 2, 3}, got: []int{3, 1, 2}, qos: 1, fault: true},                // nothing was dropped: the first copies came
		{sent: []int{1, 2, 3, 1, 2, 3}, got: []int{3, 2, 1}, qos: 1, dropped: true, fault: true}, // no copy of 1 was sent after the second 2
		{sent: []int{1, 2, 3, 2, 3, 4}, got: []int{2, 1, 4}, qos: 1, dropped: true, fault: true},
		{sent: []int{1, 2, 3, 2, 3, 4}, got: []int{3, 2, 4}, qos: 1, dropped: true},
		{sent: []int{1, 2, 3, 1, 2, 3}, got: []int{3, 1, 2}, qos: 2, dropped: true, fault: true}, // never taken twice
	} {
		l := newLedger()
		l.asking("s", "t", 2)
		l.subscribed("s", "t")
		known := map[int]*message{}
		for _, n := range c.sent {
			if m := known[n]; m != nil {
				l.sentAgain(m)
				continue
			}
			known[n] = &message{key: fmt.Sprint(n), topic: "t", n: n, qos: c.qos}
			l.publishing(known[n])
		}
		for _, n := range c.got {
			l.received("s", "t", fmt.Sprint(n), c.qos, false, false)
		}
		l.inOrder(l.subs["s"], c.dropped)
		if fault := len(l.faults) > 0; fault != c.fault {
			t.Errorf("sent %v, got %v at QoS %d, drops counted %v: faults %q", c.sent, c.got, c.qos, c.dropped, l.faults)
		}
	}
}
