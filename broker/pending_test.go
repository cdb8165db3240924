package broker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sensorgate/broker/budget"
)

// TestBacklogReturnsWhatItWasGiven: in order, with all that belongs to each message, and
// at the end nothing is charged.
func TestBacklogReturnsWhatItWasGiven(t *testing.T) {
	account := budget.New(64<<20).Client("", "c")
	rng := rand.New(rand.NewPCG(1, 2))
	var b backlog
	var sent []publication
	var ids [][]uint32
	now := time.Now()
	for i := range 5000 {
		p := publication{
			route:   &route{topic: fmt.Sprint("topic/", rng.IntN(100))},
			payload: bytes.Repeat([]byte{byte(i)}, rng.IntN(200)), props: bytes.Repeat([]byte{byte(i)}, rng.IntN(3)),
			qos: byte(1 + rng.IntN(2)), hasExpiry: i%3 == 0, expiry: uint32(i), at: now.Add(time.Duration(i-100) * time.Millisecond),
		}
		if i == 77 {
			p.payload = make([]byte, 100_000)
		}
		id := []uint32{uint32(i), 7}[:i%3%2*2]
		if !b.push(account, &p, p.qos<<1, id) {
			t.Fatalf("message %d does not fit into %d bytes", i, account.Used())
		}
		sent, ids = append(sent, p), append(ids, id)
	}
	t.Logf("%d bytes for %d messages", b.fee, b.count)
	var r route
	for i, p := range sent {
		m := b.front(&r)
		if m.route.topic != p.route.topic || !bytes.Equal(m.payload, p.payload) || !bytes.Equal(m.props, p.props) || m.qos != p.qos ||
			m.hasExpiry != p.hasExpiry || m.expiry != p.expiry || !m.at.Equal(p.at) || m.flags != p.qos<<1 || !slices.Equal(m.ids, ids[i]) {
			t.Fatalf("message %d: got %+v, want %+v", i, m, p)
		}
		b.pop(account, &m)
	}
	if b.count != 0 || b.fee != 0 || account.Used() != 0 {
		t.Errorf("%d messages, %d bytes, %d charged; want nothing", b.count, b.fee, account.Used())
	}
}
