package web

import (
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many ask, few answers are worked out at a time, and all get theirs.
func TestFewHeavyAnswersAreWorkedOutAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{heavy: newHeavy()}
		var now, most atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				w := httptest.NewRecorder()
				err := s.heavyJSON(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), func() (any, error) {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
					return 1, nil
				})
				if err != nil || w.Body.String() != "1\n" {
					t.Errorf("%q, %v", w.Body, err)
				}
			})
		}
		all.Wait()
		if got := int(most.Load()); got != cap(s.heavy) {
			t.Errorf("%d were worked out at once, want %d", got, cap(s.heavy))
		}
	})
}

// A panic in one answer leaves its place to the next one: net/http goes on after it.
func TestPanicInAHeavyAnswerHoldsNoPlace(t *testing.T) {
	s := &Server{heavy: make(heavy, 1)}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not get out")
			}
		}()
		_ = s.heavyJSON(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), func() (any, error) { panic("a defect") })
	}()
	if len(s.heavy) != 0 {
		t.Error("whoever asks next waits forever")
	}
}

// slowReader takes a second for each write.
type slowReader struct{ failing bool }

func (w slowReader) Write(p []byte) (int, error) {
	time.Sleep(time.Second)
	if w.failing {
		return 0, errors.New("gone")
	}
	return len(p), nil
}

// Who reads slowly does not keep the place, and has it again afterwards.
func TestSlowReaderHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := make(heavy, 1)
		for _, failing := range []bool{false, true} {
			h.take()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, err := heavyWriter{slowReader{failing}, h}.Write([]byte("x"))
				if (err != nil) != failing {
					t.Error(err)
				}
			}()
			synctest.Wait()
			if err := h.enter(t.Context()); err != nil {
				t.Error("no place while a client reads")
			}
			h.leave()
			<-done
			if len(h) != 1 {
				t.Error("the writer has no place after it has written")
			}
			h.leave()
		}
	})
}
