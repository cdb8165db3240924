package web

import (
	"errors"
	"net/http"
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
		s := &Server{heavy: newPlaces()}
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
	s := &Server{heavy: make(places, 1)}
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
		h := make(places, 1)
		for _, failing := range []bool{false, true} {
			h.take()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, err := placeWriter{slowReader{failing}, h}.Write([]byte("x"))
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

// Forty-eight connections that ask as fast as they can: few of their answers are worked out at
// a time, and one who does not read, or whose answer panics, keeps nobody waiting.
func TestFewQuickAnswersAreWorkedOutAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{quick: newPlaces()}
		var now, most atomic.Int32
		handle := s.quickly(func(w http.ResponseWriter, r *http.Request) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Millisecond)
			switch r.URL.Path {
			case "/panics":
				panic("a defect")
			case "/fails":
				return errors.New("no")
			}
			w.Header().Set("X", "y")
			w.WriteHeader(202)
			_, err := w.Write([]byte("all of it"))
			return err
		})
		ask := func(w http.ResponseWriter, path string) (err error) {
			defer func() {
				if recover() != nil {
					err = errors.New("panic")
				}
			}()
			return handle(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		}
		var all sync.WaitGroup
		for i := range 48 {
			all.Go(func() {
				switch w := httptest.NewRecorder(); i % 4 {
				case 0:
					if err := ask(slowAnswer{w}, "/"); err != nil {
						t.Error(err)
					}
				case 1:
					if ask(w, "/panics") == nil || ask(w, "/fails") == nil || w.Body.Len() != 0 {
						t.Errorf("an answer that failed: %q", w.Body)
					}
				default:
					if err := ask(w, "/"); err != nil || w.Code != 202 || w.Body.String() != "all of it" || w.Header().Get("X") != "y" {
						t.Errorf("%v, %d, %q", err, w.Code, w.Body)
					}
				}
			})
		}
		began := time.Now()
		all.Wait()
		if got := int(most.Load()); got != cap(s.quick) || len(s.quick) != 0 {
			t.Errorf("%d were worked out at once and %d places are held, want %d and 0", got, len(s.quick), cap(s.quick))
		}
		if took := time.Since(began); took > time.Hour+time.Second {
			t.Errorf("all took %v: they waited for those who do not read", took)
		}
	})
}

// slowAnswer is a client that takes an hour to read.
type slowAnswer struct{ http.ResponseWriter }

func (w slowAnswer) Write(p []byte) (int, error) {
	time.Sleep(time.Hour)
	return w.ResponseWriter.Write(p)
}

// The document that everybody may read is made once: working it out takes the processor for
// longer than all else that needs no login.
func TestDocumentIsMadeOnce(t *testing.T) {
	s := New(Options{}, NewHub())
	document := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		if err := s.getOpenAPI(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := document()
	if n := testing.AllocsPerRun(10, func() { document() }); n > 100 {
		t.Errorf("every answer allocates %.0f times", n)
	}
	if again := document(); again.Body.String() != first.Body.String() || first.Body.Len() < 1000 || first.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d bytes, then %d", first.Body.Len(), again.Body.Len())
	}
}
