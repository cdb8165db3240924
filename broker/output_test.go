package broker

import (
	"fmt"
	"testing"
	"time"

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

// slowWriter takes a while for each output and notes whose it was.
type slowWriter struct {
	id    string
	order *[]string
}

func (w slowWriter) flushLocked(c *conn) {
	for end := time.Now().Add(200 * time.Microsecond); time.Now().Before(end); {
	}
	*w.order = append(*w.order, w.id)
	c.dropOut()
}
func (slowWriter) wake() {}
func (slowWriter) stop() {}

// 60 KB to each of 300 readers took five turns to write, and the answer to a client that had asked
// meanwhile came behind all of them.
func TestAnswersGoBeforeLongOutputs(t *testing.T) {
	const readers = 60
	b := create(t)
	a := b.memory.Client("", "all")
	defer a.Close()
	w := newWorker(b)
	w.begin()
	var order []string
	for i := range readers + 1 {
		s := &session{b: b, id: fmt.Sprint(i)}
		c := &conn{b: b, account: a, session: s, writer: slowWriter{s.id, &order}}
		size := 60_000
		if i == readers {
			size, s.id = 10, "asker"
			c.writer = slowWriter{s.id, &order}
		}
		if !c.reserveLocked(size) {
			t.Fatal("no room")
		}
		s.conn, c.buf = c, c.buf[:size]
		w.touchLocked(s)
	}
	turns := 0
	for ; len(w.touched) > 0; turns++ {
		if turns > readers {
			t.Fatal("it does not end")
		}
		w.flushSome(time.Millisecond)
		if turns == 0 && (len(order) == 0 || order[0] != "asker" || len(order) > readers/2) {
			t.Errorf("the first turn wrote to %v", order)
		}
	}
	if len(order) != readers+1 || order[1] != "0" || order[readers] != fmt.Sprint(readers-1) {
		t.Errorf("in %d turns it was written to %v", turns, order)
	}
}
