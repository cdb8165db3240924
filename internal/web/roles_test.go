package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Every route for everybody: who may, gets an answer; who may not, is refused and
// nothing happens.
func TestEveryRouteForEveryRole(t *testing.T) {
	roles := map[string]Role{"stranger": Nobody, "proxy": Nobody, "loopback": View, "token": View, "vic": View, "ann": Operate, "bob": Admin, "socket": Admin, "group": View}
	bodies := map[string]string{
		api + "/login": `{"user":"ann","password":"a-pw"}`, api + "/config/check": `[]`,
		api + "/devices/{device}/channels/{channel}/command": `{"value":"on"}`,
		api + "/config/plan": `[]`, api + "/scan": `{}`, api + "/preview": `{"text":""}`, api + "/config/devices": `{"text":"x"}`, api + "/topics/publish": `{"topic":"a/b","payload":"x"}`, api + "/config/files/{file}": `{"text":"x"}`, api + "/config/undo": `{"version":0}`, api + "/config/confirm": `{"version":3}`,
	}
	s := newServed(t, nil)
	for _, rt := range s.handlers.routes {
		if rt.path == api+"/events" {
			continue // does not end; see TestEventsNeedTheRole
		}
		path := strings.NewReplacer("{upstream}", "cloud", "{device}", "pump", "{channel}", "state", "{file}", "a.toml", "{client}", "meter", "{maker}", "eastron", "{model}", "sdm630").Replace(rt.path)
		for who, role := range roles {
			s.config, s.did = &fakeConfig{}, nil
			s.o.Config, s.saves = s.config, newPace(10, time.Second)
			before := len(s.gateway.commands)
			body := bodies[rt.path]
			if rt.method == "GET" || rt.method == "DELETE" {
				body = ""
			}
			w := s.ask(who, rt.method, path, body, func(r *http.Request) { r.Header.Set("If-Match", "x") })
			if role >= rt.least {
				if w.Code != http.StatusOK {
					t.Errorf("%s %s as %s: %d %s", rt.method, path, who, w.Code, w.Body)
				}
				continue
			}
			if w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden {
				t.Errorf("%s %s as %s: %d, want a refusal", rt.method, path, who, w.Code)
			}
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Title == "" || p.Status != w.Code {
				t.Errorf("%s %s as %s: %s is no problem", rt.method, path, who, w.Body)
			}
			if len(s.gateway.commands) != before || len(s.config.edits) != 0 || len(s.did) != 0 || s.config.reloads != 0 {
				t.Errorf("%s %s as %s did something", rt.method, path, who)
			}
		}
	}
}

func TestEventsNeedTheRole(t *testing.T) {
	s := newServed(t, nil)
	if w := s.ask("stranger", "GET", api+"/events", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", w.Code)
	}
}
