package broker

import (
	"testing"

	"sensorgate/broker/budget"
)

// With a short output now and then among long ones, each long one was copied five times while
// it grew: a sixteenth of what one message to fifty subscribers cost.
func TestShortOutputAmongLongOnesIsNoReasonToCopy(t *testing.T) {
	b := create(t)
	a := b.memory.Client("", "c")
	defer a.Close()
	c := &conn{b: b, account: a}
	output := func(n int) (grown int) {
		for size := 0; size < n; size += 100 {
			before := cap(c.out())
			if !c.reserveLocked(100) {
				t.Fatal("no room")
			}
			if before > 0 && cap(c.buf) != before {
				grown++
			}
			c.buf = c.buf[:len(c.buf)+100]
		}
		c.dropOut()
		return grown
	}
	output(60_000)
	for i := range 40 {
		n := 60_000
		if i%4 > 0 {
			n = 3000
		}
		if grown := output(n); grown > 0 {
			t.Errorf("output %d of %d bytes was moved %d times", i, n, grown)
		}
	}
	for range 10 * shortInARow {
		output(200)
	}
	if c.usual > smallBuffer {
		t.Errorf("after many short ones %d bytes are usual", c.usual)
	}
	if used := b.memory.UsedFor(budget.Buffers); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}
