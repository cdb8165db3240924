package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

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
