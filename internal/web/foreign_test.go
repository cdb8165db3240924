package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// Requests that are not what they seem.
func TestForeignRequestsAreRefused(t *testing.T) {
	s := newServed(t, func(o *Options) { o.Hosts = []string{"gw.example.com"} })
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for _, c := range []struct {
		what, who, method, path, body string
		change                        func(*http.Request)
		want                          int
	}{
		{"a name that points here", "loopback", "GET", api + "/status", "", host("evil.example"), 421},
		{"our name", "loopback", "GET", api + "/status", "", host("barn:8880"), 200},
		{"a configured name", "loopback", "GET", api + "/status", "", host("GW.example.com"), 200},
		{"mDNS", "loopback", "GET", api + "/status", "", host("barn.local:8880"), 200},
		{"IPv6", "loopback", "GET", api + "/status", "", host("[::1]:8880"), 200},
		{"another served's page", "bob", "POST", api + "/config/reload", "", header("Sec-Fetch-Site", "cross-served"), 403},
		{"another served's origin", "bob", "POST", api + "/config/reload", "", header("Origin", "https://evil.example"), 403},
		{"a form", "ann", "POST", api + "/devices/pump/channels/state/command", "value=on", header("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"a wrong token", "stranger", "GET", api + "/status", "", header("Authorization", "Bearer sg_AAAA"), 401},
		{"a wrong token from loopback", "loopback", "GET", api + "/status", "", header("Authorization", "Bearer sg_AAAA"), 401},
		{"a forwarded request", "loopback", "GET", api + "/status", "", header("Forwarded", "for=203.0.113.9"), 401},
		{"a forwarded request, nginx's way", "loopback", "GET", api + "/status", "", header("X-Real-IP", "127.0.0.1"), 401},
		{"traversal", "bob", "GET", "/../../etc/passwd", "", nil, 307},
		{"traversal, encoded", "bob", "GET", api + "/devices/..%2f..%2fetc", "", nil, 404},
		{"a body without an end", "bob", "POST", api + "/config/check", `[{"name":"x","text":"` + strings.Repeat("a", maxBody) + `"}]`, nil, 400},
		{"two values", "ann", "POST", api + "/devices/pump/channels/state/command", `{"value":"on"}{"value":"off"}`, nil, 400},
		{"an unknown field", "ann", "POST", api + "/devices/pump/channels/state/command", `{"valeu":"on"}`, nil, 400},
		{"a channel that is read only", "ann", "POST", api + "/devices/pump/channels/power/command", `{"value":1}`, nil, 409},
		{"a queue that is full", "stranger", "POST", api + "/login", `{"user":"flood","password":"x"}`, nil, 503},
		{"a wrong password", "stranger", "POST", api + "/login", `{"user":"ann","password":"x"}`, nil, 401},
		{"a long password", "stranger", "POST", api + "/login", `{"user":"ann","password":"` + strings.Repeat("x", 2000) + `"}`, nil, 401},
	} {
		change := c.change
		if change == nil {
			change = func(*http.Request) {}
		}
		if w := s.ask(c.who, c.method, c.path, c.body, change); w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.what, w.Code, w.Body, c.want)
		}
	}
	if n := len(s.gateway.commands); n != 0 {
		t.Errorf("%d commands were executed", n)
	}
}

// Behind a trusted proxy the address that counts is the one that the proxy saw, and
// nothing that comes through it is loopback.
func TestTrustedProxy(t *testing.T) {
	s := newServed(t, func(o *Options) {
		o.Base, o.Proxies = "/gw", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	if w := s.ask("loopback", "GET", "/gw"+api+"/status", ""); w.Code != 401 {
		t.Errorf("a trusted proxy without a login: %d", w.Code)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.9")
	if a := s.clientAddr(r); a.String() != "203.0.113.9" {
		t.Errorf("the client is %s", a)
	}
	w := s.ask("proxy", "POST", "/gw"+api+"/login", `{"user":"ann","password":"a-pw"}`, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") })
	if c := w.Result().Cookies(); len(c) != 1 || c[0].Path != "/gw/" || !c[0].Secure {
		t.Errorf("the cookie behind a proxy is %v", c)
	}
}
