package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// undoing is the end of a run by a kill or a power cut, which undoes what the disk did not know yet: drops of a full
// journal among it (docs/journal-format.md, "When it is full").
type undoing struct {
	at      int             // moment of the end
	dropped map[string]bool // subscribers of whose queue the run had dropped something
}

// hasDropped notes that this run has dropped something of a queue.
func (l *ledger) hasDropped(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropping == nil {
		l.dropping = map[string]bool{}
	}
	_, name, _ := strings.Cut(queue, "/")
	l.dropping[name] = true
}

// runOver notes that a run has ended, with what its end may have undone.
func (l *ledger) runOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.undoings); l.off > 0 && (n == 0 || l.undoings[n-1].at < l.off) {
		l.undoings = append(l.undoings, undoing{l.off, l.dropping})
	}
	l.dropping = nil
	l.runs++
}

// repeated notes what comes once more and is known for it by its packet id.
func (l *ledger) repeated(name, payload string) {
	key, _, _ := strings.Cut(payload, " ")
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.subscriberLocked(name); s.got[key] > 0 {
		s.when[key] = append(s.when[key], l.now())
	}
}

// undone finds why m may come first after a later message of its stream has come: it was dropped in the run in which that
// came, and a crash undid the drop. The position of a queue is written as one, so the same crash must have undone that later
// ones were delivered: what of them had got to the disk comes again, in its place behind m; at QoS 2 with its packet id. 0
// if m may not, else the moment of the crash.
func (l *ledger) undone(s *subscriber, later, m *message) (at int) {
	if later == nil || m.qos == 0 {
		return 0
	}
	came := s.when[m.key][0]
	for _, u := range l.undoings {
		if !u.dropped[s.name] || s.when[later.key][0] > u.at || u.at > came {
			continue
		}
		for _, r := range s.first {
			o, again := l.msgs[r.key], s.when[r.key]
			if o.topic == m.topic && o.n > m.n && again[0] < u.at && again[len(again)-1] > came {
				return u.at
			}
		}
	}
	return 0
}

// cameBack sees that what comes because a crash undid its drop is in order among itself.
type cameBack struct{ crash, at int }

// in reports whether key is among the sendings, behind the one before.
func (o *cameBack) in(sent []string, key string, crash int) bool {
	if o.crash != crash {
		*o = cameBack{crash: crash}
	}
	next := slices.Index(sent[o.at:], key)
	if next < 0 {
		return false
	}
	o.at += next + 1
	return true
}

// What a crash may bring back behind later messages, and what not: 1 to 4 are sent, -1 is a crash.
func TestDropThatACrashUndid(t *testing.T) {
	for _, c := range []struct {
		got     []int
		qos     byte
		dropped bool // by the run that crashed
		counted bool // by the disk
		fault   bool
	}{
		{got: []int{3, -1, 1, 2, 3, 4}, qos: 1, dropped: true},
		{got: []int{3, -1, 1, 2, 3, 4}, qos: 1, dropped: true, counted: true},
		{got: []int{3, 4, -1, 1, 2, 3, 4}, qos: 1, dropped: true},
		{got: []int{3, 4, -1, 1, 2, 3}, qos: 1, dropped: true},                             // 4 had come from memory
		{got: []int{3, -1, 2, 1, 3, 4}, qos: 1, dropped: true, fault: true},                // not in order
		{got: []int{3, -1, 2, 1, 3, 4}, qos: 1, dropped: true, counted: true, fault: true}, //
		{got: []int{3, -1, 1, 2, 4}, qos: 1, dropped: true, fault: true},                   // 3 was off the queue on the disk, and so was 1
		{got: []int{3, 1, -1, 2, 3, 4}, qos: 1, dropped: true, fault: true},                // 1 came before the crash
		{got: []int{3, -1, 1, 2, 3, 4}, qos: 1, fault: true},                               // nothing was dropped: passed over
		{got: []int{3, -1, 1, 2, 3, 4}, qos: 1, counted: true, fault: true},
		{got: []int{3, -1, 1, 2, 3, 4}, qos: 2, dropped: true},
		{got: []int{3, -1, 1, 2, 4}, qos: 2, dropped: true, fault: true},
		{got: []int{3, -1, 4, 1, 2, 3, 4}, qos: 1, dropped: true, fault: true}, // 4 came after the crash, and before 1
		{got: []int{3, -1, 4, 1, 2, 3}, qos: 1, dropped: true, fault: true},
	} {
		l := newLedger()
		l.asking("s", "t", 2)
		l.subscribed("s", "t")
		for n := 1; n <= 4; n++ {
			l.publishing(&message{key: fmt.Sprint(n), topic: "t", n: n, qos: c.qos})
		}
		for _, n := range c.got {
			switch {
			case n > 0 && c.qos == 2 && l.subs["s"].got[fmt.Sprint(n)] > 0:
				l.repeated("s", fmt.Sprint(n))
				continue
			case n > 0:
				l.received("s", "t", fmt.Sprint(n), c.qos, false, false)
				continue
			}
			l.unsureSince(0)
			if c.dropped {
				l.hasDropped("session/s")
			}
			l.runOver()
		}
		l.inOrder(l.subs["s"], c.counted)
		if fault := len(l.faults) > 0; fault != c.fault {
			t.Errorf("got %v at QoS %d, dropped %v, counted %v: faults %q", c.got, c.qos, c.dropped, c.counted, l.faults)
		}
	}
}
