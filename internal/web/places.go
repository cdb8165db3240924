package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
)

// places let few requests at a time be worked out. Go gives the processor to whatever can
// run in turn, for up to 10 ms each: with sixty-four connections that ask as fast as they can,
// the broker's event loop, which is one of all these, would have its turn five times a second,
// and the messages of all clients would wait for it. Who waits for a place is in nobody's way.
// A place is held while something is worked out and never while a client reads it.
//
// There are two kinds, so that a person's look at the values does not wait behind plots of a
// year: Server.quick for answers of at most some milliseconds, Server.heavy for the others.
type places chan struct{}

// newPlaces has one for every second processor.
func newPlaces() places { return make(places, max(1, runtime.GOMAXPROCS(0)/2)) }

// enter waits for a place until ctx ends.
func (h places) enter(ctx context.Context) error {
	select {
	case h <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h places) take()  { h <- struct{}{} }
func (h places) leave() { <-h }

// ownPace are the routes that quickly does not hold a place for: they take a heavy one
// themselves, or wait for something.
var ownPace = map[string]bool{
	api + "/devices/{device}/channels/{channel}/history": true,
	api + "/upstreams/{upstream}/history":                true,
	api + "/models":                                      true,
	api + "/doctor":                                      true,
}

// isQuick reports whether a route's answer is worked out at once, by one who may see it.
func (rt *route) isQuick() bool {
	return rt.method == http.MethodGet && rt.least > Nobody && (rt.kind == "" || rt.kind == "text/plain") && !ownPace[rt.path]
}

// quickly is the handler of a quick route: it has a place while it works, and writes into
// memory; the client gets the answer when the place is free again.
func (s *Server) quickly(handle func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		answer := kept{header: w.Header()}
		if err := s.quick.enter(r.Context()); err != nil {
			return err
		}
		err := func() error {
			defer s.quick.leave() // also when it panics
			return handle(&answer, r)
		}()
		if err != nil {
			return err
		}
		if answer.code != 0 {
			w.WriteHeader(answer.code)
		}
		_, _ = w.Write(answer.body.Bytes()) // an error is one of the connection
		return nil
	}
}

// kept is an answer in memory.
type kept struct {
	header http.Header
	code   int // 0: 200
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (k *kept) Header() http.Header { return k.header }

// Write implements http.ResponseWriter.
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }

// WriteHeader implements http.ResponseWriter.
func (k *kept) WriteHeader(code int) { k.code = code }

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

// workOut is for one who holds a heavy place. A panic must not keep it: net/http goes on after
// one, and with all places gone nobody would ever get an answer again.
func (s *Server) workOut(work func() (any, error)) ([]byte, error) {
	defer s.heavy.leave()
	answer, err := work()
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// placeWriter writes for one who holds a place, and gives it away meanwhile.
type placeWriter struct {
	w io.Writer
	h places
}

func (w placeWriter) Write(p []byte) (int, error) {
	w.h.leave()
	defer w.h.take()
	return w.w.Write(p)
}
