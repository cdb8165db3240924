package discovery

import (
	"encoding/json"
	"maps"
	"slices"
)

// Ledger is what may be on one broker: by topic the parts that were described there.
type Ledger map[string]Parts

// Parts are what one document describes, each with its kind: with Home Assistant the
// components of a device and their platforms. A part that is gone has to be said to be.
type Parts map[string]string

// version of what Bytes writes.
const version = 1

type stored struct {
	Version int    `json:"version"`
	Topics  Ledger `json:"topics"`
}

// ParseLedger reads what Bytes has written. What cannot be read is an empty ledger and
// an error.
func ParseLedger(data []byte) (Ledger, error) {
	if len(data) == 0 {
		return Ledger{}, nil
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil || s.Topics == nil {
		return Ledger{}, err
	}
	return s.Topics, nil
}

// Bytes is the ledger for the journal.
func (l Ledger) Bytes() []byte {
	b, err := json.Marshal(stored{version, l})
	if err != nil {
		return nil // maps of texts are always JSON
	}
	return b
}

// Topics lists the topics, sorted.
func (l Ledger) Topics() []string { return slices.Sorted(maps.Keys(l)) }

// Clone returns a copy.
func (l Ledger) Clone() Ledger {
	c := make(Ledger, len(l))
	for topic, parts := range l {
		c[topic] = maps.Clone(parts)
	}
	return c
}

// Add adds what another ledger lists of the same broker.
func (l Ledger) Add(other Ledger) {
	for topic, parts := range other {
		l[topic] = union(parts, l[topic])
	}
}

// gone are the parts of was that are not in now, or are there as something else.
func gone(was, now Parts) Parts {
	out := Parts{}
	for name, kind := range was {
		if now[name] != kind {
			out[name] = kind
		}
	}
	return out
}

// union is both; of one name the older counts, because that is what is there.
func union(was, now Parts) Parts {
	out := maps.Clone(now)
	if out == nil && was != nil {
		out = Parts{}
	}
	maps.Copy(out, was)
	return out
}
