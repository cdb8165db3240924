package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Machines ask without a pause over all connections that they may have: they are slowed down,
// each and together, and answered all the same; others notice little.
func TestFloodOfRequestsIsSlowedDown(t *testing.T) {
	for from, most := range map[string]bucket{"198.51.100.7": ofAddress, "[2001:db8::%x]": ofAddress, "198.51.100.%d": ofAll} {
		t.Run(from, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { flood(t, from, most) })
		})
	}
}

func flood(t *testing.T, from string, most bucket) {
	s := newServed(t, nil)
	ask := func(who, from string) time.Duration {
		began := time.Now()
		w := s.ask(who, "GET", api+"/me", "", func(r *http.Request) { r.RemoteAddr = from })
		if w.Code != 200 {
			t.Errorf("%s from %s: %d", who, from, w.Code)
		}
		return time.Since(began)
	}
	address := func(i int) string {
		if !strings.Contains(from, "%") {
			return from + ":4711"
		}
		return fmt.Sprintf(from+":4711", i)
	}
	const connections, each = 40, 25
	began := time.Now()
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for range each {
				ask("stranger", address(i))
			}
		})
	}
	time.Sleep(time.Second)
	if took := ask("stranger", "203.0.113.8:4711"); took > connections*ofAll.every {
		t.Errorf("somebody else waits %v", took)
	}
	if took := ask("socket", "@"); took != 0 {
		t.Errorf("the control socket waits %v", took)
	}
	all.Wait()
	if took, want := time.Since(began), time.Duration(connections*each-most.burst)*most.every; took < want-time.Second/10 || took > want+2*time.Second {
		t.Errorf("%d requests took %v, want %v", connections*each, took, want)
	}
	if n := s.counts.slowed.Load(); n < uint64(connections*each-most.burst)-10 || n > connections*each-uint64(most.burst)+10 {
		t.Errorf("%d requests are counted as slowed down, want %d", n, connections*each-most.burst)
	}
	time.Sleep(time.Minute)
	if took := ask("stranger", address(1)); took != 0 {
		t.Errorf("a minute later it still waits %v", took)
	}
}

// What is remembered of addresses is bounded, and those beyond share what one may.
func TestPaceOfManyAddressesIsBounded(t *testing.T) {
	p, now := newRequestPace(nil), time.Unix(1e9, 0)
	waited := 0
	for i := range 10 * knownAddresses {
		if p.reserve(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), ofAddress, now) > 0 {
			waited++
		}
	}
	if len(p.due) > knownAddresses+1 || waited == 0 {
		t.Errorf("%d addresses are remembered, %d had to wait", len(p.due), waited)
	}
	if wait := p.reserve(netip.AddrFrom4([4]byte{10, 1, 0, 0}), ofAddress, now.Add(time.Hour)); wait > 0 || len(p.due) != 1 {
		t.Errorf("an hour later %d are remembered, and one waits %v", len(p.due), wait)
	}
}
