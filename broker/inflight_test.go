package broker

import (
	"math/rand/v2"
	"testing"

	"sensorgate/internal/journal"
)

// Whatever was acknowledged in whatever order, the message with a packet id is the one that a
// look at all of them finds.
func TestInflightFindsWhatALookAtAllFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var f inflight
	all := func(id uint16) *sentMessage {
		for i := f.head; i < len(f.list); i++ {
			if m := &f.list[i]; m.id == id && m.state != sentDone {
				return m
			}
		}
		return nil
	}
	next := journal.Seq(0)
	for range 200_000 {
		switch r.IntN(4) {
		case 0, 1:
			if f.unacked < 100 && f.span() < 400 {
				next++
				f.push(sentMessage{seq: next, id: uint16(next%500) + 1, qos: 2})
			}
		default:
			id := uint16(r.IntN(500)) + 1
			if f.unacked > 0 && r.IntN(3) > 0 { // in order, as clients do
				id = f.list[f.head+r.IntN(min(f.span(), 3))].id
			}
			m := f.find(id)
			if m != all(id) {
				t.Fatalf("packet id %d: found %v, want %v", id, m, all(id))
			}
			switch {
			case m == nil:
			case m.state == sentPublish && r.IntN(2) == 0:
				m.state = sentPubrel
			default:
				f.done(m)
			}
		}
		if r.IntN(1000) == 0 {
			f.keepReleased()
		}
	}
}
