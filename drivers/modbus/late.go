package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// Answers of RTU carry no number and no address, only a length: the late answer to one
// question looks like the answer to the next (Serial 2.5.1). A device that stalls may
// answer everything that it was asked meanwhile, seconds later. So what a unit has not
// answered is remembered, and a question whose answer would look the same is not asked
// before the unit has answered one that looks different: devices answer in the order in
// which they were asked, so whatever is left from before has passed by then.
const (
	// forgetAfter is when a question counts as lost: the device was restarted, or never
	// heard it.
	forgetAfter = time.Minute

	// maxOpen bounds what is remembered of a unit. The schedule asks a silent unit less
	// and less often, so it takes a storm of commands to get there.
	maxOpen = 32
)

// question is what is remembered of a request.
type question struct {
	function byte
	size     int // of the answer's PDU
	asked    time.Time
}

// open are the questions to one unit that it has not answered, oldest first. It is used
// in the turns on one bus only, of which there is one at a time.
type open struct{ questions []question }

func (o *open) add(r request, now time.Time) {
	if len(o.questions) >= maxOpen {
		o.questions = o.questions[1:]
	}
	o.questions = append(o.questions, question{r.function(), r.answer, now})
}

// forget drops what is so old that no answer will come.
func (o *open) forget(now time.Time) {
	o.questions = slices.DeleteFunc(o.questions, func(q question) bool { return now.Sub(q.asked) > forgetAfter })
}

// answered notes that the newest question has its answer, so all before it are over.
func (o *open) answered() { o.questions = o.questions[:0] }

// refused notes that one question of the function was refused, without a word which:
// the oldest is over in any case. It reports whether it was the only one.
func (o *open) refused(function byte) (only bool) {
	first := slices.IndexFunc(o.questions, func(q question) bool { return q.function == function })
	if first < 0 {
		return true
	}
	o.questions = o.questions[first+1:]
	return !slices.ContainsFunc(o.questions, func(q question) bool { return q.function == function })
}

// ambiguous reports whether an answer that is still to come would be taken for the answer
// to r. A write is not: its confirmation repeats address and value.
func (o *open) ambiguous(r request) bool {
	return r.count && slices.ContainsFunc(o.questions, func(q question) bool { return q.function == r.function() && q.size == r.answer })
}

// other returns a question for almost the same as r whose answer looks like none that is
// still to come: fewer registers, or else more.
func (o *open) other(r request) (request, bool) {
	t, addr, n := r.read()
	for _, step := range []int{-1, 1} {
		for count := n + step; count >= 1 && count <= t.maxRead() && int(addr)+count <= 1<<16; count += step {
			if other := readRequest(t, addr, count); other.answer != r.answer && !o.ambiguous(other) {
				return other, true
			}
		}
	}
	return request{}, false
}

// read returns what a read request asks for.
func (r *request) read() (t Table, addr uint16, n int) {
	for t := range tableNames {
		if Table(t).readFunction() == r.function() {
			return Table(t), binary.BigEndian.Uint16(r.pdu[1:]), int(binary.BigEndian.Uint16(r.pdu[3:]))
		}
	}
	return 0, 0, 0
}

// catchUp asks a question whose answer cannot be mistaken, and returns nil when no answer
// is to come any more that could be mistaken for r's.
func (t *rtu) catchUp(s *serial.Transaction, unit byte, r request) error {
	other, ok := t.open.other(r)
	if !ok {
		return fmt.Errorf("%w: it may still answer earlier questions", drivers.ErrNoAnswer)
	}
	_, _, err := t.ask(s, unit, other)
	var refusal exception
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal) && !t.open.ambiguous(r):
		return nil
	case errors.As(err, &refusal):
		return fmt.Errorf("%w: it may still answer an earlier question", drivers.ErrNoAnswer)
	}
	return err
}

// units are the open questions of all units of all wires, for devices that share one.
type units struct {
	mu   sync.Mutex
	open map[string]*open
}

// of returns those of one unit. A wire is known by its name, which outlives a reload.
func (u *units) of(bus *serial.Bus, unit byte) *open {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := fmt.Sprintf("%s unit %d", bus, unit)
	if u.open == nil {
		u.open = map[string]*open{}
	}
	if u.open[key] == nil {
		u.open[key] = &open{}
	}
	return u.open[key]
}
