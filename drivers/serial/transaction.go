package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sensorgate/drivers"
	"time"
)

// maxReceived is how many bytes a Transaction keeps until they are read. A job that asks
// reads on; what floods in beyond is not an answer.
const maxReceived = 64 << 10

// Transaction is a Job's turn on the wire: nobody else sends, and what arrives is its.
// Its methods are for the Job's goroutine only, and not after Run has returned.
type Transaction struct {
	bus  *Bus
	conn conn
	job  context.Context // whoever asked
	port context.Context // ends when the port is lost
	lose context.CancelCauseFunc
	line Line // of this turn

	opened time.Time // the port

	// Guarded by bus.mu.
	received  []byte
	firstAt   time.Time // of received[0]
	overflow  bool
	broadcast bool // the listeners hear it, too

	arrival chan struct{} // something was received
	timer   *time.Timer
}

func newTransaction(b *Bus, c conn, lose context.CancelCauseFunc) *Transaction {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Transaction{bus: b, conn: c, lose: lose, opened: time.Now(), arrival: make(chan struct{}, 1), timer: t}
}

// begin starts a turn. The Bus's mutex is held.
func (s *Transaction) begin(j *queued, port context.Context) {
	s.job, s.port, s.line, s.broadcast = j.ctx, port, s.bus.Line(), j.Broadcast
	s.received, s.overflow = s.received[:0], false
}

func (s *Transaction) run(j *queued, line *Line) error {
	want := j.Line
	if want.IsZero() {
		want = s.bus.Line()
	}
	if want != *line {
		*line = Line{} // not known, should this fail
		if err := s.SetLine(want); err != nil {
			return err
		}
	}
	s.line = want
	defer func() { *line = s.line }() // the job may have changed it
	if s.bus.opts.Pause > 0 {
		if err := s.Quiet(s.bus.opts.Pause); err != nil {
			return err
		}
	}
	// A panic is the asker's: the wire has other devices on it.
	err := drivers.Guard(func() error { return j.Run(s) })
	if err != nil && s.port.Err() != nil && s.job.Err() == nil {
		return fmt.Errorf("%s: %w", s.bus.opts.where(), context.Cause(s.port))
	}
	return err
}

// arrived takes over what the port read. The Bus's mutex is held.
func (s *Transaction) arrived(p []byte, at time.Time) {
	if len(s.received) == 0 {
		s.firstAt = at
	}
	if len(s.received)+len(p) > maxReceived {
		s.overflow = true
		return
	}
	s.received = append(s.received, p...)
	select {
	case s.arrival <- struct{}{}:
	default:
	}
}

// Read returns what has arrived, waiting until deadline for the first byte. at is when
// that byte came. It fails with os.ErrDeadlineExceeded when nothing comes, or with
// the reason why the turn is over.
func (s *Transaction) Read(p []byte, deadline time.Time) (n int, at time.Time, err error) {
	for {
		s.bus.mu.Lock()
		n, at = copy(p, s.received), s.firstAt
		s.received = s.received[:copy(s.received, s.received[n:])]
		overflow := s.overflow
		s.bus.mu.Unlock()
		if overflow {
			return 0, at, fmt.Errorf("%s: more than %d bytes came without a pause", s.bus.opts.where(), maxReceived)
		}
		if n > 0 {
			return n, at, nil
		}
		if err := s.wait(time.Until(deadline)); err != nil {
			return 0, time.Time{}, err
		}
	}
}

// wait ends when something arrives, after d, or when the turn is over.
func (s *Transaction) wait(d time.Duration) error {
	if d <= 0 {
		if err := s.over(); err != nil {
			return err
		}
		return os.ErrDeadlineExceeded
	}
	s.timer.Reset(d)
	defer s.timer.Stop()
	select {
	case <-s.arrival:
		return nil
	case <-s.timer.C:
		return os.ErrDeadlineExceeded
	case <-s.job.Done():
	case <-s.port.Done():
	}
	return s.over()
}

// over returns the reason why the turn is over, if it is.
func (s *Transaction) over() error {
	if s.port.Err() != nil {
		return fmt.Errorf("%s: %w", s.bus.opts.where(), context.Cause(s.port))
	}
	return s.job.Err()
}

// Flush forgets what has arrived so far.
func (s *Transaction) Flush() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.received, s.overflow = s.received[:0], false
}

// Quiet waits until the wire has been silent for d, in both directions, and forgets
// what arrived. A wire that is never silent is an error after a second more than d.
func (s *Transaction) Quiet(d time.Duration) error {
	giveUp := time.Now().Add(d + time.Second)
	for {
		s.bus.mu.Lock()
		since := time.Since(s.bus.heard)
		s.bus.mu.Unlock()
		if since >= d {
			s.Flush()
			return s.over()
		}
		if time.Now().After(giveUp) {
			return fmt.Errorf("%s: never silent for %v (does somebody else send?)", s.bus.opts.where(), d)
		}
		if err := s.wait(d - since); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// Write sends p, and takes its echo back where the adapter hears itself. It returns
// when p is handed over to the hardware: TimeOf says how long that is busy with it.
func (s *Transaction) Write(p []byte) error {
	if err := s.over(); err != nil {
		return err
	}
	if s.bus.tap != nil {
		s.bus.tap(true, p, time.Now())
	}
	err := s.conn.Write(p)
	s.bus.mu.Lock()
	s.bus.heard = time.Now()
	s.bus.mu.Unlock()
	if err != nil {
		return s.Drop(err) // unplugged, or stuck; in either case what helps is to open it again
	}
	if s.bus.opts.Echo {
		return s.takeEcho(p)
	}
	return nil
}

// takeEcho reads back what was sent. Something else means that two have sent at once.
func (s *Transaction) takeEcho(sent []byte) error {
	deadline := time.Now().Add(s.TimeOf(len(sent)) + 500*time.Millisecond)
	echo := make([]byte, len(sent))
	for got := 0; got < len(sent); {
		n, _, err := s.Read(echo[got:], deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%s: no echo of what was sent (does the adapter hear itself? echo = false)", s.bus.opts.where())
		}
		if err != nil {
			return err
		}
		got += n
	}
	if !bytes.Equal(echo, sent) {
		return fmt.Errorf("%s: echo differs from what was sent: somebody else sends too", s.bus.opts.where())
	}
	return nil
}

// Opened is when the port was opened, or the connection made.
func (s *Transaction) Opened() time.Time { return s.opened }

// TimeOf is how long n characters take on the wire.
func (s *Transaction) TimeOf(n int) time.Duration {
	return time.Duration(n) * s.line.CharTime()
}

// Line is the speed and frame that the wire has in this turn.
func (s *Transaction) Line() Line { return s.line }

// SetLine changes speed and frame for the rest of the turn, as some protocols do
// after their first words. The next Job gets what it asks for.
func (s *Transaction) SetLine(l Line) error {
	if err := s.conn.SetLine(l); err != nil {
		return fmt.Errorf("%s: %s: %w", s.bus.opts.where(), l, err)
	}
	s.line = l
	return nil
}

// Pause waits for d, or until the turn is over.
func (s *Transaction) Pause(d time.Duration) error {
	for end := time.Now().Add(d); ; {
		if err := s.wait(time.Until(end)); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Drop returns the port up, because what comes from it can no longer be understood: it
// is closed and opened again. It returns why, for the job to return.
func (s *Transaction) Drop(why error) error {
	s.lose(lost(why))
	return why
}
