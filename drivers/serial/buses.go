package serial

import (
	"cmp"
	"fmt"
	"maps"
	"sort"
	"sync"

	"sensorgate/drivers"
)

// Buses are all the wires of a gateway: those of the [serial.NAME] tables, which it runs,
// and those that devices have for themselves.
type Buses struct {
	mu      sync.Mutex
	shared  map[string]*Bus
	private map[string]*privateBus // by claim
	only    *Bus                   // goes by every name
}

// privateBus is a wire of a device's own. A device that is opened again gets another Bus
// on the same wire, and the counters go on.
type privateBus struct {
	now    *Bus // nil while it is closed
	before drivers.BusCounters
	opened bool
}

// NewBuses makes an empty set.
func NewBuses() *Buses { return &Buses{shared: map[string]*Bus{}, private: map[string]*privateBus{}} }

// Only makes a set in which b goes by every name: for a tool that has but one wire.
func Only(b *Bus) *Buses {
	bs := NewBuses()
	bs.only = b
	return bs
}

// Add makes a bus findable by the name of its table; the caller runs it.
func (bs *Buses) Add(name string, b *Bus) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.shared[name] = b
}

// Remove is the reverse of Add.
func (bs *Buses) Remove(name string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	delete(bs.shared, name)
}

func (bs *Buses) find(name string) (*Bus, error) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := cmp.Or(bs.shared[name], bs.only)
	if b == nil {
		return nil, fmt.Errorf("serial bus %q is not running", name)
	}
	return b, nil
}

func (bs *Buses) openPrivate(id string, b *Bus) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	p := bs.private[id]
	if p == nil {
		p = &privateBus{before: drivers.BusCounters{Bus: id}}
		bs.private[id] = p
	}
	p.now = b
}

func (bs *Buses) closePrivate(id string) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if p := bs.private[id]; p != nil && p.now != nil {
		p.before, p.opened = p.counters(), p.opened || p.now.wasOpened()
		p.now = nil
	}
}

func (p *privateBus) counters() drivers.BusCounters {
	c := p.before
	if p.now != nil {
		n := p.now.Counters()
		c.Busy += n.Busy
		c.Reopens += n.Reopens
		if p.opened && p.now.wasOpened() {
			c.Reopens++
		}
	}
	return c
}

// Forget ends the counters of wires that no device has open: after a reload they may be
// nobody's.
func (bs *Buses) Forget() {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	maps.DeleteFunc(bs.private, func(_ string, p *privateBus) bool { return p.now == nil })
}

// Counters returns what was counted on all wires, sorted by name.
func (bs *Buses) Counters() []drivers.BusCounters {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	all := make([]drivers.BusCounters, 0, len(bs.shared)+len(bs.private))
	for _, b := range bs.shared {
		all = append(all, b.Counters())
	}
	for _, p := range bs.private {
		all = append(all, p.counters())
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Bus < all[k].Bus })
	return all
}
