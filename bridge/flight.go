package bridge

import "sensorgate/internal/journal"

// flight holds the publications that are on their way and not yet acknowledged.
//
// Packet identifiers are given out in turn and not reused at once: an upstream that
// acknowledges twice must not take a newer message off the spool. So the span from the
// oldest to the newest is bounded by flightSpan, and a publication is found by
// arithmetic instead of in a map.
type flight struct {
	slots       [flightSpan]slot
	first, next uint64 // numbers of the oldest and of the next publication
	count       int    // not yet acknowledged
	bytes       int    // of these
}

// flightSpan is a power of two below 65,535, the number of packet identifiers.
const flightSpan = 4096

type slot struct {
	seq       journal.Seq // 0: made by the bridge itself
	announced uint64      // number of an Announcement
	bytes     int32
	rule      int16 // for QoS 2
	state     slotState
	kind      slotKind
	stream    streamID
}

type slotState uint8

const (
	acknowledged slotState = iota
	awaitPuback
	awaitPubrec
	awaitPubcomp
)

type slotKind uint8

const (
	fromSpool slotKind = iota
	ofPresence
	ofGap
	ofNewest
)

// room reports whether n more publications may be numbered.
func (f *flight) room() bool { return f.next-f.first < flightSpan }

// add numbers a publication and returns its packet identifier.
func (f *flight) add(s slot) uint16 {
	n := f.next
	f.next++
	f.slots[n%flightSpan] = s
	f.count++
	f.bytes += int(s.bytes)
	return packetID(n)
}

// nextID is the packet identifier that add will give.
func (f *flight) nextID() uint16 { return packetID(f.next) }

// skip leaves out the next packet identifier.
func (f *flight) skip() {
	f.slots[f.next%flightSpan] = slot{}
	f.next++
	f.forward()
}

// find returns the publication with the packet identifier, or nil if none is on its way.
func (f *flight) find(id uint16) *slot {
	if id == 0 {
		return nil
	}
	behind := (uint64(id-1) + 65535 - f.first%65535) % 65535
	n := f.first + behind
	if behind >= f.next-f.first {
		return nil
	}
	s := &f.slots[n%flightSpan]
	if s.state == acknowledged {
		return nil
	}
	return s
}

// done marks a publication as acknowledged.
func (f *flight) done(s *slot) {
	s.state = acknowledged
	f.count--
	f.bytes -= int(s.bytes)
	f.forward()
}

func (f *flight) forward() {
	for f.first != f.next && f.slots[f.first%flightSpan].state == acknowledged {
		f.first++
	}
}

func packetID(n uint64) uint16 { return uint16(n%65535) + 1 }
