package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// Sink is an upstream that is not the limit: it acknowledges whatever it gets, in
// batches, and forgets it. Messages of a workload it checks like a subscriber does.
type Sink struct {
	Addr string

	mu    sync.Mutex
	idle  bool
	conns map[net.Conn]struct{}
	tally Tally
	woken chan struct{} // closed and replaced when tally changed
}

// Tally is what a Sink got since Reset.
type Tally struct {
	Got     int       `json:"got"`
	Strange int       `json:"strange"` // not of a workload
	Wrong   int       `json:"wrong"`   // of a workload, but not the next one of its publisher
	Bytes   int64     `json:"bytes"`   // of payloads
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`

	next    map[uint32]uint32
	latency map[uint32][]float64 // microseconds, by publisher, of those that are Timed
	timed   map[uint32]bool
}

// NewSink makes a Sink for an address; Run listens.
func NewSink(addr string) *Sink {
	return &Sink{Addr: addr, conns: make(map[net.Conn]struct{}), woken: make(chan struct{}), tally: newTally(nil)}
}

func newTally(timed []uint32) Tally {
	t := Tally{next: make(map[uint32]uint32), latency: make(map[uint32][]float64), timed: make(map[uint32]bool)}
	for _, p := range timed {
		t.timed[p] = true
	}
	return t
}

// Run serves until ctx ends. listening is closed when connections are accepted.
func (s *Sink) Run(ctx context.Context, listening chan<- struct{}) error {
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return err
	}
	s.Addr = l.Addr().String()
	close(listening)
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		s.Idle(true)
	})
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		s.mu.Lock()
		if s.idle {
			_ = nc.Close()
		} else {
			s.conns[nc] = struct{}{}
			serving.Go(func() { s.serve(nc) })
		}
		s.mu.Unlock()
	}
}

// Idle throws all connections off and takes none, or takes them again.
func (s *Sink) Idle(idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = idle
	if idle {
		for nc := range s.conns {
			_ = nc.Close()
		}
	}
}

// Reset starts a new count. Of the timed publishers the latency is taken.
func (s *Sink) Reset(timed ...uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally = newTally(timed)
}

// Tally returns the count so far.
func (s *Sink) Tally() Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally
}

// Percentiles returns the latency of the timed publishers in microseconds.
func (s *Sink) Percentiles() (p50, p99 float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []float64
	for _, l := range s.tally.latency {
		all = append(all, l...)
	}
	return quantiles(all)
}

// Wait waits until done says yes to the count, or ctx ends.
func (s *Sink) Wait(ctx context.Context, done func(Tally) bool) error {
	for {
		s.mu.Lock()
		t, woken := s.tally, s.woken
		s.mu.Unlock()
		if done(t) {
			return nil
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return fmt.Errorf("the sink got %d messages: %w", t.Got, ctx.Err())
		}
	}
}

// serve is one connection; how it ends is the client's business.
func (s *Sink) serve(nc net.Conn) {
	defer func() {
		_ = nc.Close()
		s.mu.Lock()
		delete(s.conns, nc)
		s.mu.Unlock()
	}()
	c := &sinkConn{client: &client{nc: nc, in: make([]byte, 0, 256<<10)}, sink: s}
	for c.read() == nil {
		if c.frames() != nil || c.flush() != nil {
			return
		}
	}
}

// sinkConn is one client of a Sink.
type sinkConn struct {
	*client
	sink  *Sink
	level byte
}

var errOver = errors.New("over")

func (c *sinkConn) frames() error {
	s := c.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	got := s.tally.Got
	defer func() {
		if s.tally.Got != got {
			s.tally.Last = now
			close(s.woken)
			s.woken = make(chan struct{})
		}
	}()
	for {
		f, err := c.frame()
		if err != nil || f.Raw == nil {
			return err
		}
		if err := c.handleLocked(f, now); err != nil {
			return err
		}
	}
}

func (c *sinkConn) handleLocked(f mqtt.Frame, now time.Time) error {
	switch f.Type {
	case mqtt.CONNECT:
		connect, err := mqtt.ParseConnect(f)
		if err != nil {
			return err
		}
		c.level = connect.Level
		c.out = mqtt.AppendConnack(c.out, c.level, &mqtt.Connack{})
	case mqtt.PUBLISH:
		return c.messageLocked(f, now)
	case mqtt.PUBREL:
		c.out = mqtt.AppendAck(c.out, mqtt.PUBCOMP, c.level, binary.BigEndian.Uint16(f.Body), mqtt.Success)
	case mqtt.SUBSCRIBE:
		sub, err := mqtt.ParseSubscribe(f, c.level)
		if err != nil {
			return err
		}
		c.out = mqtt.AppendSuback(c.out, mqtt.SUBACK, c.level, sub.ID, make([]mqtt.Reason, len(sub.Filters)))
	case mqtt.PINGREQ:
		c.out = append(c.out, byte(mqtt.PINGRESP)<<4, 0)
	case mqtt.DISCONNECT:
		return errOver
	}
	return nil
}

func (c *sinkConn) messageLocked(f mqtt.Frame, now time.Time) error {
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, c.level, &p); err != nil {
		return err
	}
	switch p.QoS {
	case 1:
		c.out = mqtt.AppendAck(c.out, mqtt.PUBACK, c.level, p.ID, mqtt.Success)
	case 2:
		c.out = mqtt.AppendAck(c.out, mqtt.PUBREC, c.level, p.ID, mqtt.Success)
	}
	c.sink.tally.add(&p, now)
	return nil
}

func (t *Tally) add(p *mqtt.Publish, now time.Time) {
	if len(p.Payload) < stampSize || !bytes.HasPrefix(p.Topic, []byte("bench/")) {
		t.Strange++
		return
	}
	st := readStamp(p.Payload)
	if t.Got == 0 {
		t.First = now
	}
	t.Got++
	t.Bytes += int64(len(p.Payload))
	if st.number != t.next[st.publisher] {
		t.Wrong++
	}
	t.next[st.publisher] = st.number + 1
	if t.timed[st.publisher] {
		t.latency[st.publisher] = append(t.latency[st.publisher], float64(monotonic()-st.sent)/1e3)
	}
}
