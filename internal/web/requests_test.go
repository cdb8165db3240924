package web

import (
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// One machine asks without a pause over all connections that it may have: it is slowed down
// and answered all the same, and nobody else notices.
func TestFloodOfRequestsIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, nil)
		const asked = 1000
		ask := func(who, from string) time.Duration {
			began := time.Now()
			w := s.ask(who, "GET", api+"/me", "", func(r *http.Request) { r.RemoteAddr = from })
			if w.Code != 200 {
				t.Errorf("%s from %s: %d", who, from, w.Code)
			}
			return time.Since(began)
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				for range asked / 40 {
					ask("stranger", "198.51.100.7:4711")
				}
			})
		}
		time.Sleep(2 * time.Second)
		if took := ask("stranger", "198.51.100.8:4711") + ask("socket", "@"); took != 0 {
			t.Errorf("others wait %v", took)
		}
		all.Wait()
		if took, want := time.Since(began), (asked-requestBurst)*requestEvery; took < want-time.Second || took > want+time.Second {
			t.Errorf("%d requests took %v, want %v", asked, took, want)
		}
		time.Sleep(time.Minute)
		if took := ask("stranger", "198.51.100.7:4711"); took != 0 {
			t.Errorf("a minute later it still waits %v", took)
		}
	})
}

// What is remembered of addresses is bounded, and those beyond share what one may.
func TestPaceOfManyAddressesIsBounded(t *testing.T) {
	p, now := newRequestPace(), time.Unix(1e9, 0)
	waited := 0
	for i := range 10 * knownAddresses {
		if p.reserve(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now) > 0 {
			waited++
		}
	}
	if len(p.due) > knownAddresses+1 || waited == 0 {
		t.Errorf("%d addresses are remembered, %d had to wait", len(p.due), waited)
	}
	if wait := p.reserve(netip.AddrFrom4([4]byte{10, 1, 0, 0}), now.Add(time.Hour)); wait > 0 || len(p.due) != 1 {
		t.Errorf("an hour later %d are remembered, and one waits %v", len(p.due), wait)
	}
}
