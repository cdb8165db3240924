package bridge

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// throttle holds what the rules with every or deadband last let through, per rule, stream
// and topic. It lives as long as a connection: after a new connection the unacknowledged
// messages are sent again, and what they were measured against must not stop them.
type throttle struct{ seen map[throttleKey]throttled }

type throttleKey struct {
	rule   int
	stream streamID
	topic  string
}

type throttled struct {
	at    time.Time
	value float64 // NaN: not a number
}

// throttleMax bounds the topics. Beyond it all is forgotten, and every topic may pass
// once more: too much is sent rather than too little.
const throttleMax = 1 << 16

// pass reports whether the rule lets a message of this time through.
func (t *throttle) pass(r *Rule, key throttleKey, at time.Time, payload []byte) bool {
	if r.Every == 0 && r.Deadband == 0 {
		return true
	}
	value := math.NaN()
	if r.Deadband > 0 {
		value = number(payload)
	}
	last, known := t.seen[key]
	if known {
		// A clock that was set back ends the interval: the old time means nothing now.
		if waited := at.Sub(last.at); r.Every > 0 && waited >= 0 && waited < r.Every {
			return false
		}
		if math.Abs(value-last.value) <= r.Deadband && r.Deadband > 0 { // never true of a NaN
			return false
		}
	}
	if t.seen == nil || len(t.seen) >= throttleMax {
		t.seen = make(map[throttleKey]throttled)
	}
	t.seen[key] = throttled{at, value}
	return true
}

// number finds the value in a payload: the payload itself, or "value" of a JSON object.
func number(payload []byte) float64 {
	text := strings.TrimSpace(string(payload))
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v
	}
	var object struct {
		Value *float64 `json:"value"`
	}
	if strings.HasPrefix(text, "{") && json.Unmarshal(payload, &object) == nil && object.Value != nil {
		return *object.Value
	}
	return math.NaN()
}
