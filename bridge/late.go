package bridge

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"time"

	"sensorgate/internal/journal"
)

// LateMark says how a message of the backlog stream is recognisable as late where user
// properties cannot say so. At level 5 it always has the user property gw-late.
type LateMark struct {
	Topic   string `toml:"topic" example:"\"late/\"" doc:"It is put in front of the topic of what waited: late/."` // "" the topic stays
	Payload bool   `toml:"payload" doc:"A JSON payload of what waited gets the member late with the value true."`
}

// stamper writes times as RFC 3339 has them, to the nanosecond, in UTC. What came within one
// second shares its text: to work it out takes longer than all else that a message needs. The
// zero value is ready.
type stamper struct {
	second int64 // Unix
	text   []byte
}

func (s *stamper) append(dst []byte, at time.Time) []byte {
	if second := at.Unix(); len(s.text) == 0 || second != s.second {
		s.second = second
		s.text = at.UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, s.text...)
	if ns := at.Nanosecond(); ns > 0 {
		digits := [10]byte{'.'}
		for i := 9; i > 0; i-- {
			digits[i] = byte('0' + ns%10)
			ns /= 10
		}
		dst = append(dst, bytes.TrimRight(digits[:], "0")...)
	}
	return append(dst, 'Z')
}

// markLate puts "late":true into a JSON object; other payloads stay as they are.
func markLate(payload []byte) []byte {
	rest := bytes.TrimLeft(payload, " \t\r\n")
	if len(rest) == 0 || rest[0] != '{' {
		return payload
	}
	rest = bytes.TrimLeft(rest[1:], " \t\r\n")
	marked := append(make([]byte, 0, len(rest)+16), `{"late":true`...)
	if len(rest) > 0 && rest[0] != '}' {
		marked = append(marked, ',')
	}
	return append(marked, rest...)
}

// retainedLive remembers to which topics something retained went out live while the backlog
// waits: an older message of such a topic is sent without the retain flag, or the
// upstream would keep last week's value as the present one. It is kept over a restart,
// because the backlog is.
type retainedLive struct {
	store  Store // nil: the spool does not outlive the process either
	key    string
	topics map[uint64]struct{}
	stored int // topics that the store knows of
}

// retainedLiveMax bounds the topics. Beyond it no late message is retained.
const retainedLiveMax = 1 << 13

func newRetainedLive(store Store, bridge string) retainedLive {
	n := retainedLive{store: store, key: "bridge/" + bridge + "/newer", topics: make(map[uint64]struct{})}
	if store != nil {
		value, _ := store.Get(n.key)
		for ; len(value) >= 8; value = value[8:] {
			n.topics[binary.LittleEndian.Uint64(value)] = struct{}{}
		}
		n.stored = len(n.topics)
	}
	return n
}

func topicSum(topic string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(topic))
	return h.Sum64()
}

// note remembers a topic and reports whether that is news, so that the message has to wait
// until it is on disk: after a power cut an older one would be retained in its place.
func (n *retainedLive) note(topic string) (news bool) {
	sum := topicSum(topic)
	if _, known := n.topics[sum]; known || len(n.topics) >= retainedLiveMax {
		return false
	}
	n.topics[sum] = struct{}{}
	return n.store != nil
}

func (n *retainedLive) has(topic string) bool {
	if len(n.topics) == 0 {
		return false
	}
	_, ok := n.topics[topicSum(topic)]
	return ok || len(n.topics) >= retainedLiveMax
}

// save stores what was noted, before it is sent. That is one write per topic and outage
// at most, fewer when many topics go out together.
func (n *retainedLive) save() {
	if n.store == nil || len(n.topics) == n.stored {
		return
	}
	value := make([]byte, 0, 8*len(n.topics))
	for sum := range n.topics {
		value = binary.LittleEndian.AppendUint64(value, sum)
	}
	n.store.Put(n.key, value, journal.Telemetry, nil, 0)
	n.stored = len(n.topics)
}

// clear forgets all: there is no backlog any more.
func (n *retainedLive) clear() {
	clear(n.topics)
	n.save()
}
