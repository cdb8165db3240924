package history

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// stalled is somebody who takes nothing of an export until it is let go.
type stalled struct {
	asked chan struct{}
	let   chan struct{}
	err   error
}

func (w *stalled) Write(p []byte) (int, error) {
	select {
	case w.asked <- struct{}{}:
	default:
	}
	<-w.let
	return len(p), w.err
}

// Somebody who reads an export slowly keeps the store from nothing.
func TestSlowReaderOfAnExportHoldsNothingUp(t *testing.T) {
	s := openStore(t, Options{Dir: t.TempDir()})
	end := fill(s, 5, time.Second, 2*time.Hour, epoch)
	s.flush()
	w := &stalled{asked: make(chan struct{}, 1), let: make(chan struct{}), err: io.ErrClosedPipe}
	exported := make(chan error)
	go func() { exported <- s.Export(w, nil) }()
	<-w.asked
	flushed := make(chan struct{})
	go func() {
		s.Add("device00/channel0", Number, end, Value{Number: 1})
		s.flush()
		close(flushed)
	}()
	select {
	case <-flushed:
	case <-time.After(30 * time.Second):
		t.Error("the store waits for a reader")
	}
	close(w.let)
	if err := <-exported; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	<-flushed
	s.close()
}

// An export has every value once, from memory and disk, whatever was rolled up.
func TestExportHasEveryValueOnce(t *testing.T) {
	s := openStore(t, Options{Dir: t.TempDir()})
	end := fill(s, 2, time.Second, 90*time.Minute, epoch)
	s.Add("device00/channel0", Number, end, Value{Number: 1})
	var b bytes.Buffer
	if err := s.Export(&b, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"device00/channel0": 90*60 + 1, "device00/channel1": 90 * 60} {
		if got := strings.Count(b.String(), ","+name+",0,"); got != want {
			t.Errorf("%s: %d values, want %d", name, got, want)
		}
	}
	s.close()
}
