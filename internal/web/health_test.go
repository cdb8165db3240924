package web

import (
	"errors"
	"strings"
	"testing"
)

func TestHealthSaysWhyOnlyToWhoMayView(t *testing.T) {
	s := newServed(t, nil)
	s.gateway.dead = errors.New("the broker's loop does not turn")
	for who, want := range map[string]bool{"stranger": false, "loopback": true} {
		w := s.ask(who, "GET", "/healthz", "")
		if w.Code != 503 || strings.Contains(w.Body.String(), "loop") != want {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
}
