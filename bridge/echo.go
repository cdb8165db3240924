package bridge

import (
	"hash/maphash"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// Against loops there are, from the surest to the least sure: no-local and the path in
// a user property (MQTT 5), "in beats out" (rules.go), and for MQTT 3.1.1, which knows
// neither, the memory of what was sent.

const (
	// echoWindow is how long a message of ours may take to come back to us.
	echoWindow = time.Minute

	// loopMax is how often the same message of another bridge may pass within
	// echoWindow before it is taken for one that runs in a circle. Twice is fair: at
	// QoS 1 anything may come twice.
	loopMax = 3

	echoMax = 8192 // messages remembered
)

// echoes remembers messages by topic and payload.
type echoes struct {
	seed maphash.Seed

	mu    sync.Mutex
	count map[uint64]int
	order []echo // oldest first
}

type echo struct {
	sum uint64
	at  time.Time
}

func newEchoes() *echoes {
	return &echoes{seed: maphash.MakeSeed(), count: make(map[uint64]int)}
}

func (e *echoes) sum(topic string, payload []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(e.seed)
	h.WriteString(topic)
	h.WriteByte(0)
	h.Write(payload)
	return h.Sum64()
}

// note remembers a message and returns how often it was seen within the window.
func (e *echoes) note(topic string, payload []byte, now time.Time) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked(now)
	sum := e.sum(topic, payload)
	e.order = append(e.order, echo{sum, now})
	e.count[sum]++
	return e.count[sum]
}

// take reports whether the message is one of those remembered, and crosses it off: the
// same words from somebody else are not an echo.
func (e *echoes) take(topic string, payload []byte, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked(now)
	sum := e.sum(topic, payload)
	if e.count[sum] == 0 {
		return false
	}
	e.dropLocked(sum)
	return true
}

func (e *echoes) dropLocked(sum uint64) {
	if e.count[sum]--; e.count[sum] <= 0 {
		delete(e.count, sum)
	}
}

func (e *echoes) forgetLocked(now time.Time) {
	n := 0
	for n < len(e.order) && (len(e.order)-n > echoMax || now.Sub(e.order[n].at) > echoWindow) {
		if e.count[e.order[n].sum] > 0 {
			e.dropLocked(e.order[n].sum)
		}
		n++
	}
	e.order = e.order[n:]
}

// noteSent remembers a message that may come back: on MQTT 3.1.1 the upstream sends us
// what we send to a topic that we also fetch.
func (b *Bridge) noteSent(level byte, remote string, payload []byte, now time.Time) {
	if level == mqtt.Level5 {
		return // no-local
	}
	for i := range b.rules.in {
		if mqtt.Match(b.rules.in[i].rename.Filter(), remote) {
			b.sentEchoes.note(remote, payload, now)
			return
		}
	}
}

func (b *Bridge) isEcho(remote string, payload []byte) bool {
	return b.sentEchoes.take(remote, payload, time.Now())
}
