package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
)

// heavy lets few requests at a time work out what takes the processor for milliseconds:
// many at once would each get a share of it as large as the broker's event loop, and the
// messages of all clients would wait behind plots. A place is held while something is
// worked out and never while a client reads it.
type heavy chan struct{}

// newHeavy has a place for every second processor.
func newHeavy() heavy { return make(heavy, max(1, runtime.GOMAXPROCS(0)/2)) }

// enter waits for a place until ctx ends.
func (h heavy) enter(ctx context.Context) error {
	select {
	case h <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h heavy) take()  { h <- struct{}{} }
func (h heavy) leave() { <-h }

// heavyJSON answers with what work returns, as JSON.
func (s *Server) heavyJSON(w http.ResponseWriter, r *http.Request, work func() (any, error)) error {
	if err := s.heavy.enter(r.Context()); err != nil {
		return err
	}
	b, err := s.workOut(work)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // an error is one of the connection
	return nil
}

// workOut is for one who holds a place. A panic must not keep it: net/http goes on after
// one, and with all places gone nobody would ever get an answer again.
func (s *Server) workOut(work func() (any, error)) ([]byte, error) {
	defer s.heavy.leave()
	answer, err := work()
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// heavyWriter writes for one who holds a place, and gives it away meanwhile.
type heavyWriter struct {
	w io.Writer
	h heavy
}

func (w heavyWriter) Write(p []byte) (int, error) {
	w.h.leave()
	defer w.h.take()
	return w.w.Write(p)
}
