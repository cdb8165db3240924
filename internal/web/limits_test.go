package web

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever people and devices do, what the server remembers of it is bounded.
func TestWhatTheServerRemembersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, nil)
		for range 3 * maxLogins {
			s.logins.begin("ann", "stamp")
			time.Sleep(time.Millisecond)
		}
		if n := s.logins.open(); n > maxLogins {
			t.Errorf("%d logins are remembered", n)
		}
		st, _, _ := s.hub.join(0, View)
		for range 10 * keptEvents {
			s.hub.State(State{Device: "pump", State: "failing", Error: strings.Repeat("x", 5000)})
		}
		s.hub.leave(st)
		if n := len(s.hub.kept); n > keptEvents || s.hub.bytes > keptBytes {
			t.Errorf("%d events of %d bytes are kept for who comes back", n, s.hub.bytes)
		}
		ring := s.o.Ring
		log := slog.New(ring)
		for range 5 * ringLines {
			log.Info(strings.Repeat("y", 4000))
		}
		if n := len(ring.lines.lines); n > ringLines || ring.lines.bytes > ringBytes {
			t.Errorf("%d lines of %d bytes", n, ring.lines.bytes)
		}
		for i := range 1000 {
			if from := fmt.Sprint("192.0.2.", i%250); s.conns.take(from) && i%2 == 0 {
				s.conns.release(&limitedConn{addr: from})
			}
		}
		if n := len(s.conns.from); n > s.conns.most || s.conns.open() > s.conns.most {
			t.Errorf("%d addresses are counted for %d connections", n, s.conns.open())
		}
	})
}

// Who is no admin needs no long body.
func TestLongLoginIsNotRead(t *testing.T) {
	s := newServed(t, nil)
	body := `{"user":"ann","password":"` + strings.Repeat("x", maxSmallBody) + `"}`
	if w := s.ask("stranger", "POST", api+"/login", body); w.Code != 400 || !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Real connections: headers that come too slowly, too many connections, too many streams.
func TestConnectionsAreBounded(t *testing.T) {
	s := newServed(t, func(o *Options) {
		o.MaxConnections, o.MaxStreams = 8, 3
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 200 * time.Millisecond}
	go srv.Serve(s.conns.limit(l))
	defer srv.Close()
	url := "http://" + l.Addr().String()

	var streams []*http.Response
	for i := range 4 {
		r, err := http.Get(url + api + "/events")
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, r)
		if want := map[bool]int{true: 200, false: 503}[i < 3]; r.StatusCode != want {
			t.Errorf("stream %d: %d, want %d", i, r.StatusCode, want)
		}
	}
	s.hub.State(State{Device: "pump", State: "failing"})
	in := bufio.NewScanner(streams[0].Body)
	for in.Scan() && !strings.HasPrefix(in.Text(), "data: {") {
	}
	if !strings.Contains(in.Text(), `"state":"failing"`) {
		t.Errorf("the stream says %q", in.Text())
	}
	var slow []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x")
		slow = append(slow, c)
	}
	for i, c := range slow {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the slow connection %d is still open after 5 s", i)
		}
	}
	for _, r := range streams {
		r.Body.Close()
	}
}
