package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/confd"
	"sensorgate/internal/config"
)

func withHeader(k, v string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(k, v) }
}

// A save says which text it was made from, and each refusal what it is.
func TestSaveOverHTTP(t *testing.T) {
	s := newServed(t, nil)
	const put, path = "PUT", api + "/config/files/a.toml"
	if w := s.ask("bob", put, path, `{"text":"x"}`); w.Code != http.StatusPreconditionRequired {
		t.Errorf("without If-Match: %d", w.Code)
	}
	if w := s.ask("bob", "DELETE", path, "", withHeader("If-None-Match", "*")); w.Code != http.StatusPreconditionRequired {
		t.Errorf("a removal without If-Match: %d", w.Code)
	}
	w := s.ask("bob", put, path, `{"text":"x"}`, withHeader("If-Match", `"e"`))
	if want := (confd.Edit{File: "a.toml", Text: "x", User: "bob", ETag: `"e"`}); w.Code != 200 || len(s.config.edits) != 1 || s.config.edits[0] != want || w.Header().Get("ETag") != `"y"` {
		t.Errorf("%d, %+v, want %+v", w.Code, s.config.edits, want)
	}
	for _, c := range []struct {
		err  error
		want int
	}{
		{confd.ErrChanged, 412}, {confd.ErrWaits, 409}, {confd.ErrReadOnly, 409}, {fmt.Errorf("x: %w", confd.ErrName), 400}, {confd.ErrTooLarge, 413},
		{fmt.Errorf("write: %w", syscall.ENOSPC), 507}, {fmt.Errorf("%w: no such bus", confd.ErrReload), 422}, {confd.ErrHidden, 422}, {errors.New("x"), 422},
		{config.Problems{{File: "a.toml", Line: 3, Column: 5, Text: "no"}}, 422},
	} {
		s.config.refuse, s.saves = c.err, newPace(1, time.Hour)
		w := s.ask("bob", put, path, `{"text":"x"}`, withHeader("If-None-Match", "*"))
		var p struct {
			Title    string
			Problems []Mark
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.want || p.Title == "" {
			t.Errorf("%v: %d %s, want %d", c.err, w.Code, w.Body, c.want)
		}
		if _, places := c.err.(config.Problems); places && (len(p.Problems) != 1 || p.Problems[0].Line != 3 || p.Problems[0].Column != 5) {
			t.Errorf("the places of the faults: %s", w.Body)
		}
	}
}

// A loop in a script does not wear the card out.
func TestSavesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, nil)
		save := func() int {
			return s.ask("socket", "PUT", api+"/config/files/a.toml", `{"text":"x"}`, withHeader("If-Match", "x")).Code
		}
		for range 10 {
			if code := save(); code != 200 {
				t.Fatalf("%d", code)
			}
		}
		if code := save(); code != http.StatusTooManyRequests {
			t.Errorf("the eleventh at once: %d", code)
		}
		time.Sleep(time.Minute)
		if code := save(); code != 200 {
			t.Errorf("a minute later: %d", code)
		}
	})
}

// A confirmation that comes over the old connection is refused, and the connection closed:
// the next one is over a new one.
func TestConfirmationNeedsANewConnection(t *testing.T) {
	s := newServed(t, nil)
	s.config.refuse = confd.ErrOldWay
	w := s.ask("bob", "POST", api+"/config/confirm", `{"version":3}`)
	if w.Code != 409 || w.Header().Get("Connection") != "close" || !s.config.at.IsZero() {
		t.Errorf("%d, Connection: %s", w.Code, w.Header().Get("Connection"))
	}
	s.config.refuse = nil
	at := time.Now()
	s.ask("bob", "POST", api+"/config/confirm", `{"version":3}`, func(r *http.Request) { *r = *r.WithContext(connectedAt(r.Context(), at)) })
	if !s.config.at.Equal(at) {
		t.Errorf("the connection is of %v, want %v", s.config.at, at)
	}
}

// A fault in one route costs the request and nothing else.
func TestPanicCostsOneRequest(t *testing.T) {
	s := newServed(t, nil)
	s.o.Config = nil
	w := s.ask("bob", "GET", api+"/config", "")
	if w.Code != 500 || !strings.Contains(w.Body.String(), "everything else goes on") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := s.ask("bob", "GET", api+"/status", ""); w.Code != 200 {
		t.Errorf("the next request: %d", w.Code)
	}
}

// Bodies that are too large or no JSON are refused by every route that takes one.
func TestBodiesOfAllRoutesAreBounded(t *testing.T) {
	s := newServed(t, nil)
	for _, rt := range s.handlers.routes {
		if rt.body == nil || rt.path == api+"/login" { // for that see TestLoginEnds
			continue
		}
		path := strings.NewReplacer("{upstream}", "cloud", "{device}", "pump", "{channel}", "state", "{file}", "a.toml", "{client}", "meter").Replace(rt.path)
		for name, body := range map[string]string{"2 MiB": `{"text":"` + strings.Repeat("x", 2<<20) + `"}`, "no JSON": "x=1", "an unknown key": `{"nodde":1}`} {
			if w := s.ask("socket", rt.method, path, body, withHeader("If-Match", "x")); w.Code != 400 && w.Code != 413 {
				t.Errorf("%s %s with %s: %d %s", rt.method, path, name, w.Code, w.Body)
			}
		}
		w := s.ask("socket", rt.method, path, "x=1", withHeader("Content-Type", "application/x-www-form-urlencoded"))
		if w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s %s as a form: %d", rt.method, path, w.Code)
		}
	}
	if len(s.config.edits) != 0 || len(s.did) != 0 {
		t.Errorf("something was done: %v %v", s.config.edits, s.did)
	}
}

// Whose permissions count for topics: the user's, not those of the role.
func TestTopicsAreThoseOfTheUser(t *testing.T) {
	s := newServed(t, nil)
	for who, want := range map[string]bool{"loopback": false, "token": false, "vic": false, "bob": false, "ann": true, "socket": true} {
		if w := s.ask(who, "GET", api+"/topics", ""); strings.Contains(w.Body.String(), "secret/b") != want || !strings.Contains(w.Body.String(), "barn/a") {
			t.Errorf("%s sees %s", who, w.Body)
		}
	}
	if w := s.ask("socket", "GET", api+"/topics?filter=secret/%23", ""); strings.Contains(w.Body.String(), "barn") {
		t.Errorf("with a filter: %s", w.Body)
	}
	if w := s.ask("socket", "GET", api+"/topics?filter=a%23", ""); w.Code != 400 {
		t.Errorf("a filter that is not valid: %d", w.Code)
	}
	for _, body := range []string{`{"topic":"a/#","payload":""}`, `{"topic":"$SYS/x","payload":""}`, `{"topic":"a","qos":3,"payload":""}`, `{"topic":"","payload":""}`} {
		if w := s.ask("bob", "POST", api+"/topics/publish", body); w.Code != 400 || len(s.did) != 0 {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
	if w := s.ask("bob", "POST", api+"/clients/nobody/disconnect", ""); w.Code != 404 {
		t.Errorf("a client that is not connected: %d", w.Code)
	}
}
