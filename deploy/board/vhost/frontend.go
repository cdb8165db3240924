package vhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Device is what a kind of device supplies.
type Device interface {
	Features() uint64 // of this kind of device
	Config() []byte   // its configuration space, nil if none
	Queues() int
	// Handle serves one chain of queue q. It calls c.Done before it returns, or keeps c
	// and calls Done later.
	Handle(q int, c *Chain)
	// Reset is called when the guest's driver goes away or starts anew.
	Reset()
}

// Serve serves dev to one front end at a time until ctx ends. It owns l.
func Serve(ctx context.Context, l *net.UnixListener, dev Device) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer l.Close()
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return err
		}
		s := &frontend{dev: dev, conn: c}
		for range dev.Queues() {
			s.queues = append(s.queues, &queue{call: -1})
		}
		hangUp := context.AfterFunc(ctx, func() { _ = c.Close() })
		err = s.run()
		hangUp()
		s.close()
		dev.Reset()
		if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
}

// frontend is one QEMU.
type frontend struct {
	dev    Device
	conn   *net.UnixConn
	mem    []region
	queues []*queue
	served sync.WaitGroup
}

// region is a part of the guest's memory.
type region struct {
	user, phys uint64 // QEMU's address, the guest's
	data       []byte
	whole      []byte // what was mapped
}

func (s *frontend) close() {
	_ = s.conn.Close()
	for _, q := range s.queues {
		q.stop()
		q.setCall(-1)
	}
	s.served.Wait() // or they would walk memory that is gone
	s.unmap()
}

func (s *frontend) unmap() {
	for _, r := range s.mem {
		_ = syscall.Munmap(r.whole)
	}
	s.mem = nil
}

func (s *frontend) run() error {
	for {
		m, err := readMessage(s.conn)
		if err != nil {
			return err
		}
		answer, err := s.serve(&m)
		m.closeFDs()
		if err != nil {
			return fmt.Errorf("vhost request %d: %w", m.req, err)
		}
		if answer == nil && m.flags&flagNeedAck != 0 {
			answer = u64(0)
		}
		if answer != nil {
			if err := reply(s.conn, m.req, answer); err != nil {
				return err
			}
		}
	}
}

// serve does what one request asks for.
func (s *frontend) serve(m *message) (answer []byte, err error) {
	switch m.req {
	case reqGetFeatures:
		return u64(s.dev.Features() | featIndirect | featProtocol | featVersion1), nil
	case reqGetProtoFeatures:
		features := uint64(protoMQ | protoReply)
		if s.dev.Config() != nil {
			features |= protoConfig
		}
		return u64(features), nil
	case reqGetQueueNum:
		return u64(uint64(len(s.queues))), nil
	case reqSetFeatures, reqSetProtoFeatures, reqSetOwner:
		return nil, nil
	case reqResetOwner:
		s.dev.Reset()
		return nil, nil
	case reqSetMemTable:
		return nil, s.setMemory(m)
	case reqGetConfig:
		return s.config(m.pay)
	}
	return s.serveQueue(m)
}

// serveQueue does the requests that name a queue.
func (s *frontend) serveQueue(m *message) (answer []byte, err error) {
	if len(m.pay) < 8 {
		return nil, errors.New("not served")
	}
	i := int(m.pay[0])
	if i >= len(s.queues) {
		return nil, fmt.Errorf("no queue %d", i)
	}
	q := s.queues[i]
	switch m.req {
	case reqSetVringCall:
		q.setCall(m.takeFD())
		return nil, nil
	case reqSetVringKick:
		if fd := m.takeFD(); fd >= 0 {
			kick := q.start(fd)
			s.served.Go(func() { s.serveKicks(i, q, kick) })
		}
		return nil, nil
	case reqGetVringBase: // the ring stops here
		q.stop()
		s.dev.Reset()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := le.Uint32(m.pay[4:])
	switch m.req {
	case reqSetVringNum:
		q.num = uint16(n)
	case reqSetVringBase:
		q.last, q.usedIdx = uint16(n), uint16(n)
	case reqGetVringBase:
		return append(m.pay[:4:4], le.AppendUint32(nil, uint32(q.last))...), nil
	case reqSetVringAddr:
		return nil, s.setRingsLocked(q, m.pay)
	case reqSetVringErr, reqSetVringEnable:
	default:
		return nil, errors.New("not served")
	}
	return nil, nil
}

func (s *frontend) setRingsLocked(q *queue, pay []byte) error {
	if len(pay) < 32 {
		return errors.New("short ring address")
	}
	n := uint64(q.num)
	q.desc = s.user(le.Uint64(pay[8:]), descSize*n)
	q.used = s.user(le.Uint64(pay[16:]), 6+8*n)
	q.avail = s.user(le.Uint64(pay[24:]), 6+2*n)
	if q.desc == nil || q.used == nil || q.avail == nil {
		return errors.New("ring outside the guest's memory")
	}
	return nil
}

func (s *frontend) config(pay []byte) ([]byte, error) {
	if len(pay) < 12 || le.Uint32(pay[4:]) > maxPayload {
		return nil, errors.New("short or long config request")
	}
	off, n := le.Uint32(pay), le.Uint32(pay[4:])
	b := make([]byte, 12+n)
	copy(b, pay[:12])
	if c := s.dev.Config(); int(off) < len(c) {
		copy(b[12:], c[off:])
	}
	return b, nil
}

func (s *frontend) setMemory(m *message) error {
	for _, q := range s.queues { // nobody walks a ring while the map changes
		q.mu.Lock()
		defer q.mu.Unlock()
	}
	s.unmap()
	if len(m.pay) < 8+32*len(m.fds) || int(le.Uint32(m.pay)) != len(m.fds) {
		return fmt.Errorf("%d descriptors for other regions", len(m.fds))
	}
	for i, fd := range m.fds {
		p := m.pay[8+32*i:]
		size, user, off := le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])
		whole, err := syscall.Mmap(fd, 0, int(size+off), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		if err != nil {
			return fmt.Errorf("mmap: %w (QEMU needs memory-backend-memfd,share=on)", err)
		}
		s.mem = append(s.mem, region{user: user, phys: le.Uint64(p), data: whole[off:], whole: whole})
	}
	return nil
}

// user returns the memory at an address of QEMU's own.
func (s *frontend) user(addr, n uint64) []byte {
	for _, r := range s.mem {
		if addr >= r.user && addr+n <= r.user+uint64(len(r.data)) {
			return r.data[addr-r.user : addr-r.user+n : addr-r.user+n]
		}
	}
	return nil
}

// guest returns the memory at an address of the guest's.
func (s *frontend) guest(addr, n uint64) []byte {
	for _, r := range s.mem {
		if addr >= r.phys && addr+n <= r.phys+uint64(len(r.data)) {
			return r.data[addr-r.phys : addr-r.phys+n : addr-r.phys+n]
		}
	}
	return nil
}

// serveKicks handles chains whenever the doorbell rings, until the queue stops.
func (s *frontend) serveKicks(i int, q *queue, kick *os.File) {
	for b := make([]byte, 8); ; {
		s.drain(i, q)
		if _, err := kick.Read(b); err != nil {
			return
		}
	}
}

func (s *frontend) drain(i int, q *queue) {
	for {
		q.mu.Lock()
		head, ok := q.nextLocked()
		if !ok {
			q.mu.Unlock()
			return
		}
		c := q.walk(head, s.guest)
		q.mu.Unlock()
		s.dev.Handle(i, c)
	}
}
