package broker

import (
	"time"
)

// held is a message that waits in memory for room in the window of a session that is
// not persistent: a publication without what only its batch needs.
type held struct {
	route     *route
	bytes     []byte // payload, then properties
	payload   int    // length of the payload
	ids       []uint32
	at        time.Time
	expiry    uint32
	hasExpiry bool
	flags     byte
}

func (h *held) size() int { return len(h.bytes) + 160 }

func (h *held) publication() publication {
	return publication{
		route: h.route, payload: h.bytes[:h.payload:h.payload], props: h.bytes[h.payload:], qos: h.flags >> 1 & 3,
		hasExpiry: h.hasExpiry, expiry: h.expiry, at: h.at,
	}
}

// holdLocked copies p behind what already waits.
func (s *session) holdLocked(p *publication, flags byte, ids []uint32) {
	h := held{
		route: p.route, payload: len(p.payload), ids: ids, at: p.at, expiry: p.expiry, hasExpiry: p.hasExpiry, flags: flags,
		bytes: append(append(make([]byte, 0, len(p.payload)+len(p.props)), p.payload...), p.props...),
	}
	s.pending = append(s.pending, h)
	s.held += h.size()
	s.b.count.outBytes.Add(int64(h.size()))
}

// unholdLocked takes the oldest off.
func (s *session) unholdLocked() {
	size := s.pending[0].size()
	s.held -= size
	s.b.count.outBytes.Add(-int64(size))
	s.pending[0] = held{}
	if s.pending = s.pending[1:]; len(s.pending) == 0 {
		s.pending = nil
	}
}
