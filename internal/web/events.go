package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/describe"
)

const (
	tick        = 500 * time.Millisecond // at most two updates a second of one channel
	keptEvents  = 256                    // for a browser that comes back
	keptBytes   = 512 << 10
	streamQueue = 32 // events that wait for one slow reader
	commentGap  = 15 * time.Second
)

// Hub spreads what happens to all event streams. Values are gathered for half a second
// and sent as one event, encoded once for everybody; of one channel the newest counts.
//
//	event: values   [{"device":…,"channel":…,"value":…,"unit":…,"time":…}, …]
//	event: state    {"device":…,"channel":…,"state":…,"error":…,"since":…}
//	event: log      {"time":…,"level":…,"part":…,"text":…}
//	event: config   {"added":[…],"changed":[…],"removed":[…]}   devices of a reload: ask again
//	event: reset    {}                     too much was missed: ask for everything again
type Hub struct {
	mu      sync.Mutex
	streams map[*stream]bool
	most    int
	values  map[string]Value // since the last tick, by device/channel
	armed   bool
	last    time.Time // of the last tick
	next    uint64    // id of the next event
	kept    []event
	bytes   int
	left    time.Time  // when the last stream ended: for a minute events are kept for it
	faults  chan error // panics, for Server.Run
}

// Value is a value as it was published.
type Value struct {
	Device  string    `json:"device"`
	Channel string    `json:"channel"`
	Value   any       `json:"value"` // number, boolean or text
	Unit    string    `json:"unit,omitempty"`
	Time    time.Time `json:"time"`
}

// State is a change of a device's or channel's state.
type State struct {
	Device  string    `json:"device"`
	Channel string    `json:"channel,omitempty"` // empty: of the device
	State   string    `json:"state"`
	Error   string    `json:"error,omitempty"`
	Since   time.Time `json:"since"`
}

type event struct {
	id   uint64
	data []byte // as on the wire
}

type stream struct {
	events chan event
	least  Role // what its reader may do
}

// NewHub makes a hub without streams.
func NewHub() *Hub {
	return &Hub{streams: map[*stream]bool{}, values: map[string]Value{}, most: 32, faults: make(chan error, 1), next: uint64(time.Now().UnixMilli())}
}

func (h *Hub) limit(most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.most = most
}

// listened reports whether it is worth encoding anything: somebody listens, or left a
// moment ago and may come back.
func (h *Hub) listened() bool { return len(h.streams) > 0 || time.Since(h.left) < time.Minute }

// Value spreads the newest value of a channel. It never waits.
func (h *Hub) Value(v Value) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.listened() {
		return
	}
	h.values[v.Device+"/"+v.Channel] = v
	if !h.armed {
		h.armed = true
		time.AfterFunc(max(0, tick-time.Since(h.last)), func() { h.guard(h.tick) })
	}
}

// guard keeps a panic from who reports values: a device must not fail because they cannot
// be shown.
func (h *Hub) guard(f func()) {
	if err := drivers.Guard(func() error { f(); return nil }); err != nil {
		select {
		case h.faults <- err:
		default: // one is reported already
		}
	}
}

func (h *Hub) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed, h.last = false, time.Now()
	if len(h.values) == 0 {
		return
	}
	all := make([]Value, 0, len(h.values))
	for _, v := range h.values {
		all = append(all, v)
	}
	clear(h.values)
	h.send("values", all, View)
}

// State spreads a change of state at once.
func (h *Hub) State(s State) { h.guard(func() { h.spread("state", s, View) }) }

// Changed says what a reload changed of the description.
func (h *Hub) Changed(c describe.Changes) { h.guard(func() { h.spread("config", c, View) }) }

func (h *Hub) logLine(l LogLine) { h.spread("log", l, Operate) }

func (h *Hub) spread(name string, v any, least Role) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listened() {
		h.send(name, v, least)
	}
}

// send encodes once and hands on. What may not be seen by everybody is not kept for who
// comes back. Called with the lock.
func (h *Hub) send(name string, v any, least Role) {
	data, err := json.Marshal(v)
	if err != nil {
		return // the types here can be encoded
	}
	h.next++
	e := event{h.next, fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", h.next, name, data)}
	if least <= View {
		h.keep(e)
	}
	for s := range h.streams {
		if s.least < least {
			continue
		}
		select {
		case s.events <- e:
		default:
			h.drop(s) // it comes back and gets what it missed
		}
	}
}

func (h *Hub) keep(e event) {
	h.kept = append(h.kept, e)
	h.bytes += len(e.data)
	for len(h.kept) > keptEvents || h.bytes > keptBytes {
		h.bytes -= len(h.kept[0].data)
		h.kept[0] = event{}
		h.kept = h.kept[1:]
	}
}

func (h *Hub) drop(s *stream) {
	if h.streams[s] {
		delete(h.streams, s)
		close(s.events)
		h.left = time.Now()
	}
}

var resetEvent = []byte("event: reset\ndata: {}\n\n")

// join adds a stream that has seen the events up to seen; 0: none. What it missed comes
// first.
func (h *Hub) join(seen uint64, role Role) (s *stream, missed []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) >= h.most {
		return nil, nil, false
	}
	if seen != 0 && seen != h.next {
		if len(h.kept) == 0 || h.kept[0].id > seen+1 || seen > h.next {
			missed = resetEvent
		}
		var b bytes.Buffer
		for _, e := range h.kept {
			if missed == nil && e.id > seen {
				b.Write(e.data)
			}
		}
		if missed == nil {
			missed = b.Bytes()
		}
	}
	s = &stream{events: make(chan event, streamQueue), least: role}
	h.streams[s] = true
	return s, missed, true
}

func (h *Hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(s)
}

// close ends all streams: their pages come back when there is a server again.
func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		h.drop(s)
	}
}

// Streams is how many event streams are open.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

// getEvents is a stream of server-sent events until the reader goes.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	seen, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // 0 if there is none
	st, missed, ok := s.hub.join(seen, whoAsks(r).role)
	if !ok {
		return problem(http.StatusServiceUnavailable, "too many event streams", strconv.Itoa(s.o.MaxStreams)+" are open", "close another page, or in [web]: max_streams").because(tooManyStreams)
	}
	defer s.hub.leave(st)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	rc := http.NewResponseController(w)
	write := func(b []byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(10 * time.Second)) // never fails on a connection of net/http
		_, err := w.Write(b)
		return err == nil && rc.Flush() == nil
	}
	_ = rc.SetReadDeadline(time.Time{}) // the request is over
	if !write(append([]byte("retry: 2000\n\n"), missed...)) {
		return nil
	}
	comment := time.NewTicker(commentGap)
	defer comment.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case e, open := <-st.events:
			if !open || !write(e.data) {
				return nil
			}
		case <-comment.C:
			if !write([]byte(":\n\n")) {
				return nil
			}
		}
	}
}
