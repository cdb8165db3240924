package drivers

import (
	"errors"
	"time"
)

// AnswerLimits are the upper limits of Counters.Answers, the last of which has none.
var AnswerLimits = [...]time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second, 5 * time.Second}

// Reason is why a device gave an error, in a word of a fixed list: for metrics, which must
// not carry the text of an error.
type Reason string

const (
	ReasonAbsent      Reason = "absent"      // not plugged in
	ReasonNoAnswer    Reason = "no_answer"   // silent
	ReasonImplausible Reason = "implausible" // a value outside its range; nothing else was wrong
	ReasonChannel     Reason = "channel"     // some channels failed, the device answered
	ReasonPanic       Reason = "panic"       // a fault in the program
	ReasonOther       Reason = "other"       // wrong sum, refused, …
)

// Reasons are all of them.
var Reasons = [...]Reason{ReasonAbsent, ReasonNoAnswer, ReasonImplausible, ReasonChannel, ReasonPanic, ReasonOther}

// Rejected is why a reading was not handed on, in a word of a fixed list.
type Rejected string

const (
	RejectedRange   Rejected = "range"   // outside its plausible range
	RejectedInvalid Rejected = "invalid" // no finite number
)

// AllRejected are all of them.
var AllRejected = [...]Rejected{RejectedRange, RejectedInvalid}

// Counters are what a Runner has counted since it was made.
type Counters struct {
	Polls   uint64 // of a Poller
	Opened  uint64 // how often the device was opened: the first time, and after each loss
	Errors  [len(Reasons)]uint64
	Answers [len(AnswerLimits) + 1]uint64 // polls by the time they took; each in one of them
	Asked   time.Duration                 // all polls together
	Refused [len(AllRejected)]uint64      // readings that were not handed on
}

// rejected counts a reading that was not handed on, if that is what err says.
func (c *Counters) rejected(err error) {
	switch {
	case errors.Is(err, ErrImplausible):
		c.Refused[0]++
	case errors.Is(err, errNotFinite):
		c.Refused[1]++
	}
}

func (c *Counters) poll(took time.Duration) {
	c.Polls++
	c.Asked += took
	for i, limit := range AnswerLimits {
		if took <= limit {
			c.Answers[i]++
			return
		}
	}
	c.Answers[len(AnswerLimits)]++
}

func (c *Counters) failed(why Reason) {
	for i, r := range Reasons {
		if r == why {
			c.Errors[i]++
		}
	}
}

// reasonOf sorts an error that a device gave.
func reasonOf(err error) Reason {
	_, channels := ChannelFaults(err)
	switch {
	case isPanic(err):
		return ReasonPanic
	case errors.Is(err, ErrAbsent):
		return ReasonAbsent
	case channels:
		return ReasonChannel
	case errors.Is(err, ErrNoAnswer):
		return ReasonNoAnswer
	}
	return ReasonOther
}

// Counters returns what was counted up to now.
func (r *Runner) Counters() Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counters
}
