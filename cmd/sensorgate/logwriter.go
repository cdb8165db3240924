package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// logWriter writes the log without ever holding up who logs: event loops do, and journald or
// whoever reads a pipe may stand still. Lines that it has no room for are dropped and counted.
type logWriter struct {
	out  io.Writer
	lost func(lines int) // called by the writing goroutine, when it can write again

	mu      sync.Mutex
	more    *sync.Cond // there is something to write, or it is closed
	waiting []byte
	dropped int
	closed  bool
	done    chan struct{}
}

// logRoom is how many bytes wait at most.
const logRoom = 256 << 10

// newLogWriter starts a goroutine that writes to out, until Close. lost is called with the
// number of dropped lines once out takes lines again.
func newLogWriter(out io.Writer, lost func(lines int)) *logWriter {
	w := &logWriter{out: out, lost: lost, done: make(chan struct{})}
	w.more = sync.NewCond(&w.mu)
	go w.run()
	return w
}

// Write takes one line, whole or not at all. It never fails: nobody would look.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting)+len(line) > logRoom {
		w.dropped++
		return len(line), nil
	}
	w.waiting = append(w.waiting, line...)
	w.more.Signal()
	return len(line), nil
}

func (w *logWriter) run() {
	defer close(w.done)
	var spare []byte
	for {
		w.mu.Lock()
		for len(w.waiting) == 0 && !w.closed {
			w.more.Wait()
		}
		lines, dropped, closed := w.waiting, w.dropped, w.closed
		w.waiting, w.dropped = spare[:0], 0
		w.mu.Unlock()
		_, _ = w.out.Write(lines) // nowhere else to say it
		if dropped > 0 {
			w.lost(dropped)
		}
		if closed {
			return
		}
		spare = lines
	}
}

// closeLimit is how long Close waits for somebody who does not read.
const closeLimit = time.Second

// Close writes what waits, if that is possible at all.
func (w *logWriter) Close() error {
	w.mu.Lock()
	w.closed = true
	w.more.Signal()
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(closeLimit):
	}
	return nil
}

// linesLost is the line for lines that were dropped.
func linesLost(log *slog.Logger) func(lines int) {
	return func(lines int) {
		log.Warn("lines of the log were dropped: whatever reads it does not keep up", "lines", lines)
	}
}
