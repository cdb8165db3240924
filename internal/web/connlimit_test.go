package web

import (
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Twenty browsers keep six connections each and use one or two: who comes next is not kept
// out by those on which nobody asks anything, but by those that are used.
func TestIdleConnectionGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counts
		limit := newConnLimit(8, &c)
		var conns []*limitedConn
		var gone []chan bool
		connect := func(addr string) bool {
			if !limit.take(addr) {
				return false
			}
			here, there := net.Pipe()
			ended := make(chan bool)
			go func() { there.Read(make([]byte, 1)); close(ended) }()
			conns, gone = append(conns, limit.hold(here, addr)), append(gone, ended)
			return true
		}
		closed := func(i int) bool {
			synctest.Wait()
			select {
			case <-gone[i]:
				return true
			default:
				return false
			}
		}
		for range 6 {
			if !connect("a") {
				t.Fatal("there is room and nobody comes in")
			}
		}
		if connect("a") {
			t.Error("one address has more than three quarters")
		}
		limit.state(conns[2], http.StateIdle)
		if connect("a") {
			t.Error("a connection gives way that was used a moment ago")
		}
		time.Sleep(2 * time.Second)
		limit.state(conns[4], http.StateIdle)
		time.Sleep(2 * time.Second)
		if !connect("a") || !closed(2) || closed(4) {
			t.Errorf("the longest idle one gave way: %v, the other: %v", closed(2), closed(4))
		}
		for range 2 { // now it is full for all
			if !connect("b") || closed(4) {
				t.Error("another address is kept out")
			}
		}
		limit.state(conns[4], http.StateActive)
		if connect("b") {
			t.Error("a connection gave way on which something is asked")
		}
		limit.state(conns[4], http.StateIdle)
		time.Sleep(2 * time.Second)
		if !connect("c") || !closed(4) || limit.open() != 8 {
			t.Errorf("full of others' idle connections: closed %v, %d open", closed(4), limit.open())
		}
		for _, conn := range conns {
			conn.Close()
		}
		if limit.open() != 0 || len(limit.idle) != 0 || len(limit.from) != 0 {
			t.Errorf("at the end %d are open, %d idle", limit.open(), len(limit.idle))
		}
	})
}
