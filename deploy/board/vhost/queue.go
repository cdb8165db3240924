package vhost

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Descriptor flags; VIRTIO 1.2, 2.7.5.
const (
	descNext     = 1
	descWrite    = 2 // the device writes here
	descIndirect = 4
	descSize     = 16
)

// queue is a split virtqueue.
type queue struct {
	mu      sync.Mutex // guards everything below, and the used ring
	num     uint16
	desc    []byte
	avail   []byte
	used    []byte
	last    uint16 // next avail index to look at
	usedIdx uint16
	kick    *os.File
	call    int // eventfd, -1 if none
	gen     uint64
	ready   bool
}

// Chain is one request from the guest.
type Chain struct {
	Out   [][]byte // what the guest wrote (copies)
	InLen []int    // sizes of the buffers that it wants filled
	in    [][]byte // those buffers, in guest memory: only under q.mu
	q     *queue
	gen   uint64
	head  uint16
}

// Done fills the guest's buffers and returns the chain. After a reset of the queue
// nothing happens, so a late Done is harmless.
func (c *Chain) Done(in ...[]byte) {
	q := c.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gen != c.gen || !q.ready {
		return
	}
	n := 0
	for i, b := range in {
		if i < len(c.in) {
			n += copy(c.in[i], b)
		}
	}
	q.pushLocked(c.head, uint32(n))
}

// start makes the queue ready; kick is the guest's doorbell.
func (q *queue) start(kickFD int) *os.File {
	q.stop()
	_ = syscall.SetNonblock(kickFD, true) // a blocking read would still work, only stop would be late
	q.mu.Lock()
	defer q.mu.Unlock()
	q.kick = os.NewFile(uintptr(kickFD), "kick")
	q.ready = true
	q.gen++
	return q.kick
}

func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.kick != nil {
		_ = q.kick.Close()
		q.kick = nil
	}
	q.ready = false
	q.gen++
}

func (q *queue) setCall(fd int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.call >= 0 {
		_ = syscall.Close(q.call)
	}
	q.call = fd
}

// nextLocked takes the head of the next chain that the guest has made available.
func (q *queue) nextLocked() (head uint16, ok bool) {
	if !q.ready || q.avail == nil || q.last == ringIndex(q.avail) {
		return 0, false
	}
	head = le.Uint16(q.avail[4+2*(q.last%q.num):])
	q.last++
	return head, true
}

// walk follows a chain through the descriptor table, and on into the table of its own
// that an indirect descriptor points to. phys returns the memory of an address.
func (q *queue) walk(head uint16, phys func(addr, n uint64) []byte) *Chain {
	const longest = 1024 // a ring of descriptors must not hold us
	c := &Chain{q: q, gen: q.gen, head: head}
	table := q.desc
	for d, n := int(head), 0; n < longest && descSize*(d+1) <= len(table); n++ {
		e := table[descSize*d:]
		flags := le.Uint16(e[12:])
		b := phys(le.Uint64(e), uint64(le.Uint32(e[8:])))
		switch {
		case flags&descIndirect != 0:
			table, d = b, 0
			continue
		case flags&descWrite != 0:
			c.in = append(c.in, b)
			c.InLen = append(c.InLen, len(b))
		default:
			c.Out = append(c.Out, append([]byte(nil), b...))
		}
		if flags&descNext == 0 {
			break
		}
		d = int(le.Uint16(e[14:]))
	}
	return c
}

// pushLocked puts a finished chain on the used ring and interrupts the guest.
func (q *queue) pushLocked(head uint16, n uint32) {
	e := q.used[4+8*int(q.usedIdx%q.num):]
	le.PutUint32(e, uint32(head))
	le.PutUint32(e[4:], n)
	q.usedIdx++
	// Flags (0) and index in one store, after the element.
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&q.used[0])), uint32(q.usedIdx)<<16)
	if q.call >= 0 {
		_, _ = syscall.Write(q.call, u64(1)) // fails only when the guest is gone
	}
}

// ringIndex reads a ring's index: the upper half of the aligned word that begins
// with its flags.
func ringIndex(ring []byte) uint16 {
	return uint16(atomic.LoadUint32((*uint32)(unsafe.Pointer(&ring[0]))) >> 16)
}
