package gpiotest

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
)

// line is a request: what a program holds.
type line struct {
	wire *wire
	cfg  gpio.Config
	size int
	wake chan struct{}

	// guarded by the board's mutex
	seq       uint32
	events    []gpio.Event
	debounced bool // electrical level after debounce
	settling  *time.Timer
	closed    bool
}

// edgeLocked is the interrupt. With debounce every edge starts the time again, and
// what counts is the level at its end.
func (l *line) edgeLocked(level bool) {
	if l.cfg.Debounce <= 0 {
		l.eventLocked(level)
		return
	}
	if l.settling != nil {
		l.settling.Stop()
	}
	l.settling = time.AfterFunc(l.cfg.Debounce, func() {
		l.wire.board.mu.Lock()
		defer l.wire.board.mu.Unlock()
		if l.closed || l.wire.chip.gone || l.wire.last == l.debounced {
			return
		}
		l.debounced = l.wire.last
		l.eventLocked(l.debounced)
	})
}

func (l *line) eventLocked(level bool) {
	rising := level != l.cfg.ActiveLow
	if rising && l.cfg.Edges&gpio.Rising == 0 || !rising && l.cfg.Edges&gpio.Falling == 0 {
		return
	}
	l.seq++
	now := time.Now()
	if len(l.events) == l.size { // the oldest goes, its number stays used
		l.events = slices.Delete(l.events, 0, 1)
	}
	l.events = append(l.events, gpio.Event{Rising: rising, Seq: l.seq, Mono: now.Sub(l.wire.board.booted) + time.Second, Time: now})
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *line) errLocked() error {
	switch {
	case l.closed:
		return fs.ErrClosed
	case l.wire.chip.gone:
		return fmt.Errorf("%w: no such device", drivers.ErrAbsent)
	}
	return nil
}

func (l *line) Get() (bool, error) {
	l.wire.board.mu.Lock()
	defer l.wire.board.mu.Unlock()
	if err := l.errLocked(); err != nil {
		return false, err
	}
	level := l.wire.levelLocked()
	if l.cfg.Debounce > 0 {
		level = l.debounced
	}
	return level != l.cfg.ActiveLow, nil
}

func (l *line) Set(active bool) error {
	l.wire.board.mu.Lock()
	defer l.wire.board.mu.Unlock()
	if err := l.errLocked(); err != nil {
		return err
	}
	if !l.cfg.Output {
		return fs.ErrPermission // EPERM
	}
	l.cfg.Value = active
	l.wire.noteLocked(true)
	return nil
}

func (l *line) Wait(ctx context.Context, until time.Time, buf []gpio.Event) (int, error) {
	var timeout <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(max(time.Until(until), 0))
		defer t.Stop()
		timeout = t.C
	}
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if n, err := l.take(buf); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timeout:
			return l.take(buf)
		}
	}
}

func (l *line) take(buf []gpio.Event) (int, error) {
	l.wire.board.mu.Lock()
	defer l.wire.board.mu.Unlock()
	if err := l.errLocked(); err != nil {
		return 0, err
	}
	n := copy(buf, l.events)
	l.events = slices.Delete(l.events, 0, n)
	return n, nil
}

func (l *line) Close() error {
	l.wire.board.mu.Lock()
	defer l.wire.board.mu.Unlock()
	if l.closed {
		return fs.ErrClosed
	}
	l.closed = true
	if l.settling != nil {
		l.settling.Stop()
	}
	level := l.wire.levelLocked()
	l.wire.line = nil
	l.wire.last = level // most chips keep the level of a line that was given back
	if l.cfg.Output {
		l.wire.log = append(l.wire.log, Change{Time: time.Now(), Level: level})
	}
	return nil
}

// bufferSize: 16 events a line by default, a power of two, at most 16 × 64;
// drivers/gpio/gpiolib-cdev.c, linereq_create.
func bufferSize(asked int) int {
	const lineDefault, most = 16, 16 * 64
	size := lineDefault
	if asked > 0 {
		for size = 1; size < asked; size *= 2 {
		}
	}
	return min(size, most)
}
