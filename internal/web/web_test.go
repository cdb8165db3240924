package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/disk/crashdisk"
	"sensorgate/internal/history"
	"sensorgate/internal/status"
)

// fakeGateway is a gateway with one device, one upstream and a history.
type fakeGateway struct {
	store    *history.Store
	commands []Command
	dead     error
}

var testNow = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

func (f *fakeGateway) Snapshot() status.Snapshot {
	return status.Snapshot{
		Node: "barn", Version: "test", Time: testNow, TimeSynced: true, Started: testNow.Add(-time.Hour),
		Devices: []status.Device{{Name: "pump", Driver: "sim", State: "ok", Since: testNow, Readings: 7, Channels: []status.Channel{
			{Name: "power", State: "ok", Value: status.Value{Value: drivers.Number(21.5)}, Unit: "W", Time: testNow},
			{Name: "state", State: "ok", Value: status.Value{Value: drivers.Bool(true)}, Time: testNow},
		}}},
		Upstreams: []status.Upstream{{Name: "cloud", Connected: true, Waiting: 3, WaitingBytes: 99, Oldest: testNow.Add(-time.Minute)}},
	}
}

func (f *fakeGateway) Describe() describe.Node {
	return describe.Node{Name: "barn", StatusTopic: "barn/status", Devices: []describe.Device{{
		Name: "pump", Driver: "sim", Every: 5, StatusTopic: "barn/pump/status", Channels: []describe.Channel{
			{Name: "power", Unit: "W", Kind: "gauge", Every: 5, Topic: "barn/pump/power"},
			{Name: "state", Kind: "state", Writable: true, Topic: "barn/pump/state", SetTopic: "barn/pump/state/set"},
			{Name: "energy", Unit: "kWh", Kind: "total", Topic: "barn/pump/energy"},
		},
	}}}
}

func (f *fakeGateway) History() *history.Store { return f.store }

func (f *fakeGateway) Command(_ context.Context, c Command) (Result, error) {
	f.commands = append(f.commands, c)
	return Result{Result: "done"}, nil
}

func (f *fakeGateway) Alive() error { return f.dead }
func (f *fakeGateway) Ready() error { return f.dead }

type fakeConfig struct{ reloads int }

func (f *fakeConfig) Files() ([]ConfigFile, error) {
	return []ConfigFile{{"sensorgate.toml", "node = \"barn\"\n"}}, nil
}
func (f *fakeConfig) Check([]ConfigFile) any { return []string{} }
func (f *fakeConfig) Plan() (any, error)     { return map[string]any{}, nil }
func (f *fakeConfig) Reload() error {
	if f.reloads++; f.reloads > 1 {
		return errors.New("sensorgate.toml:3:1: unknown key")
	}
	return nil
}

type fakeUsers map[string]string

func (f fakeUsers) Verify(_ context.Context, user string, password []byte, _ netip.Addr) error {
	switch {
	case user == "flood":
		return fmt.Errorf("%w: 64 wait", ErrBusy)
	case f[user] == "" || f[user] != string(password):
		return errors.New("wrong")
	}
	return nil
}

func (f fakeUsers) Stamp(user string) string { return f[user] }

// served is a server for tests.
type served struct {
	*Server
	gateway *fakeGateway
	users   fakeUsers
	handler http.Handler
	view    string // secret of a token that may view
}

func newServed(t *testing.T, change func(*Options)) *served {
	t.Helper()
	store, err := history.Open(history.Options{Dir: "h", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1)))})
	if err != nil {
		t.Fatal(err)
	}
	s := &served{gateway: &fakeGateway{store: store}, users: fakeUsers{"ann": "a-pw", "bob": "b-pw", "vic": "v-pw"}}
	token, secret, err := NewToken("grafana", View)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte("# tokens\n"+token.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hub := NewHub()
	o := Options{
		Web:     config.Web{Operate: []string{"ann"}, Admin: []string{"bob"}, Tokens: path},
		Gateway: s.gateway, Config: &fakeConfig{}, Users: s.users,
		Ring: NewLogRing(slog.DiscardHandler, hub), Version: "1.2.3",
	}
	if change != nil {
		change(&o)
	}
	s.Server = New(o, hub)
	s.handler, s.view = s.Handler(), secret
	return s
}

// ask makes one request. who is a user, "token", "loopback", "socket", "proxy" (a foreign
// program on this machine that forwards) or "stranger".
func (s *served) ask(who, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://192.0.2.1:8880"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.RemoteAddr = "198.51.100.7:4711"
	switch who {
	case "loopback", "proxy":
		r.RemoteAddr = "127.0.0.1:4711"
		if who == "proxy" {
			r.Header.Set("X-Forwarded-For", "198.51.100.7")
		}
	case "socket":
		r = r.WithContext(status.FromSocket(r.Context()))
	case "token":
		r.Header.Set("Authorization", "Bearer "+s.view)
	case "stranger":
	default:
		r.SetBasicAuth(who, s.users[who])
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// Every route for everybody: who may, gets an answer; who may not, is refused and
// nothing happens.
func TestEveryRouteForEveryRole(t *testing.T) {
	roles := map[string]Role{"stranger": Nobody, "proxy": Nobody, "loopback": View, "token": View, "vic": View, "ann": Operate, "bob": Admin, "socket": Admin}
	bodies := map[string]string{
		api + "/login": `{"user":"ann","password":"a-pw"}`, api + "/config/check": `[]`,
		api + "/devices/{device}/channels/{channel}/command": `{"value":"on"}`,
	}
	s := newServed(t, nil)
	for _, rt := range s.handlers.routes {
		if rt.path == api+"/events" {
			continue // does not end; see TestEventsNeedTheRole
		}
		path := strings.NewReplacer("{device}", "pump", "{channel}", "state").Replace(rt.path)
		for who, role := range roles {
			s.o.Config = &fakeConfig{}
			before := len(s.gateway.commands)
			w := s.ask(who, rt.method, path, bodies[rt.path])
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
			if len(s.gateway.commands) != before {
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

// A login is a cookie that ends at logout, when it was not used, and with the password.
func TestLoginEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, nil)
		login := func() *http.Cookie {
			w := s.ask("stranger", "POST", api+"/login", `{"user":"ann","password":"a-pw"}`)
			if w.Code != 200 || len(w.Result().Cookies()) != 1 {
				t.Fatalf("login: %d %s", w.Code, w.Body)
			}
			return w.Result().Cookies()[0]
		}
		role := func(c *http.Cookie) string {
			var m Me
			w := s.ask("stranger", "GET", api+"/me", "", func(r *http.Request) { r.AddCookie(c) })
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			return m.Role
		}
		c := login()
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || role(c) != "operate" {
			t.Errorf("the cookie is %v, the role %s", c, role(c))
		}
		time.Sleep(11 * time.Hour)
		if role(c) != "operate" {
			t.Error("the login ended while it was used")
		}
		time.Sleep(13 * time.Hour)
		if role(c) != "nobody" {
			t.Error("the login did not end by itself")
		}
		c = login()
		s.ask("stranger", "POST", api+"/logout", "", func(r *http.Request) { r.AddCookie(c) })
		if role(c) != "nobody" {
			t.Error("the login did not end at logout")
		}
		c = login()
		s.users["ann"] = "another"
		if role(c) != "nobody" {
			t.Error("the login did not end with the password")
		}
	})
}

// A token that is taken out of the file is refused from then on.
func TestTokenIsRevoked(t *testing.T) {
	s := newServed(t, nil)
	if w := s.ask("token", "GET", api+"/status", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := os.WriteFile(s.o.Tokens, []byte("# no token is left\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := s.ask("token", "GET", api+"/status", ""); w.Code != 401 {
		t.Errorf("after revoking: %d", w.Code)
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

// The document names every route with its role, and every reference in it leads somewhere.
func TestOpenAPIDescribesTheHandlers(t *testing.T) {
	s := newServed(t, nil)
	w := s.ask("stranger", "GET", api+"/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Role string `json:"x-role"`
		}
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, rt := range s.handlers.routes {
		if got := doc.Paths[rt.path][strings.ToLower(rt.method)].Role; got != rt.least.String() {
			t.Errorf("%s %s has the role %q in the document, want %s", rt.method, rt.path, got, rt.least)
		}
	}
	for _, part := range strings.Split(w.Body.String(), `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("the schema %s is missing", name)
		}
	}
	if doc.Components.Schemas["StatusSnapshot"] == nil || doc.Components.Schemas["Channel"] == nil {
		t.Errorf("schemas: %d", len(doc.Components.Schemas))
	}
}

// Answers have the fields that the document says they have, and no others.
func TestAnswersMatchTheDocument(t *testing.T) {
	s := newServed(t, nil)
	s.gateway.store.Add("pump/power", history.Number, testNow, history.Value{Number: 1})
	doc := s.openAPI()
	schemas := doc["components"].(object)["schemas"].(object)
	for _, rt := range s.handlers.routes {
		if rt.method != "GET" || rt.answer == nil {
			continue
		}
		path := strings.NewReplacer("{device}", "pump", "{channel}", "power").Replace(rt.path)
		w := s.ask("socket", "GET", path, "")
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		at := doc["paths"].(object)[rt.path].(object)["get"].(object)["responses"].(object)["200"].(object)["content"].(object)["application/json"].(object)["schema"].(object)
		for _, fault := range mismatch(schemas, at, v, rt.path) {
			t.Error(fault)
		}
	}
}

// mismatch compares a value with its schema.
func mismatch(all, schema object, v any, at string) (faults []string) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = all[strings.TrimPrefix(ref, "#/components/schemas/")].(object)
	}
	switch v := v.(type) {
	case map[string]any:
		properties, ok := schema["properties"].(object)
		if !ok {
			if schema["additionalProperties"] == nil && len(schema) > 0 {
				faults = append(faults, at+": an object that is not in the document")
			}
			return faults
		}
		for k, x := range v {
			p, known := properties[k].(object)
			if !known {
				faults = append(faults, at+"."+k+" is not in the document")
				continue
			}
			faults = append(faults, mismatch(all, p, x, at+"."+k)...)
		}
		required, _ := schema["required"].([]any)
		for _, k := range required {
			if _, there := v[k.(string)]; !there {
				faults = append(faults, at+"."+k.(string)+" is missing")
			}
		}
	case []any:
		items, ok := schema["items"].(object)
		if !ok {
			return append(faults, at+": a list that is not in the document")
		}
		for _, x := range v {
			faults = append(faults, mismatch(all, items, x, at+"[]")...)
		}
	case string, float64, bool:
		name := map[string]string{"string": "string", "float64": "number", "bool": "boolean"}[fmt.Sprintf("%T", v)]
		types := fmt.Sprint(schema["type"])
		if len(schema) > 0 && !strings.Contains(types, name) && !(name == "number" && types == "integer") {
			faults = append(faults, fmt.Sprintf("%s is a %T, the document says %v", at, v, schema["type"]))
		}
	}
	return faults
}

// Numbers are numbers, truths are truths, times are RFC 3339.
func TestChannelsHaveTypedValues(t *testing.T) {
	s := newServed(t, nil)
	var all []struct {
		Name  string
		Value any
		Time  string
	}
	if err := json.Unmarshal(s.ask("loopback", "GET", api+"/channels", "").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].Value != 21.5 || all[1].Value != true || all[2].Value != nil || all[0].Time != "2026-11-30T08:00:00Z" {
		t.Errorf("%+v", all)
	}
}

func TestHistoryOverHTTP(t *testing.T) {
	s := newServed(t, nil)
	for i := range 100 {
		s.gateway.store.Add("pump/power", history.Number, testNow.Add(time.Duration(i)*time.Second), history.Value{Number: float64(i)})
	}
	s.gateway.store.Add(StateSeries("pump", "power"), history.State, testNow, history.Value{State: "ok"})
	s.gateway.store.Add(StateSeries("pump", "power"), history.State, testNow.Add(time.Minute), history.Value{State: "failing: no answer"})
	var h History
	w := s.ask("loopback", "GET", api+"/devices/pump/channels/power/history?from=2026-11-30T08:00:00Z&to=2026-11-30T09:00:00Z", "")
	if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil {
		t.Fatal(err)
	}
	if len(h.Points) != 100 || h.Every != 0 || h.Points[99] != (Point{float64(testNow.Unix() + 99), 99, 99, 99, 99, 1}) {
		t.Errorf("%d points, the last %v", len(h.Points), h.Points[len(h.Points)-1])
	}
	if len(h.Gaps) != 2 || h.Gaps[1].State != "failing: no answer" {
		t.Errorf("gaps: %v", h.Gaps)
	}
	for query, want := range map[string]int{
		"from=1h&every=1m&to=2026-11-30T09:00:00Z": 200, "from=yesterday": 400, "every=1ms": 400, "from=400d&every=1s": 400, "max=1": 400, "zone=Mars/Olympus": 400, "from=7d&zone=Europe/Berlin&every=24h": 200,
	} {
		if w := s.ask("loopback", "GET", api+"/devices/pump/channels/power/history?"+query, ""); w.Code != want {
			t.Errorf("%s: %d %s, want %d", query, w.Code, w.Body, want)
		}
	}
	if w := s.ask("loopback", "GET", api+"/history.csv", ""); strings.Count(w.Body.String(), "\n") != 103 {
		t.Errorf("CSV: %s", w.Body)
	}
}

// Values come at most twice a second and channel, the newest counts; a browser that
// comes back gets what it missed, or is told that it missed too much.
func TestEventsAreGatheredAndResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		st, missed, ok := h.join(0, View)
		if !ok || missed != nil {
			t.Fatal("a first stream gets nothing from before")
		}
		for i := range 100 {
			h.Value(Value{Device: "pump", Channel: "power", Value: float64(i), Time: testNow})
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		h.leave(st)
		var got []string
		for e := range st.events {
			got = append(got, string(e.data))
		}
		if len(got) > 5 || !strings.Contains(got[len(got)-1], `"value":99`) || !strings.HasPrefix(got[0], "id: ") {
			t.Errorf("%d events in 2 s: %q", len(got), got)
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(got[0], "id: "), "\n")
		var id uint64
		fmt.Sscan(first, &id)
		h.State(State{Device: "pump", State: "failing"})
		_, missed, _ = h.join(id, View)
		if n := bytes.Count(missed, []byte("event: values")); n != len(got)-1 || !bytes.Contains(missed, []byte("event: state")) {
			t.Errorf("missed %d of %d: %s", n, len(got)-1, missed)
		}
		if _, missed, _ = h.join(id-1000, View); string(missed) != string(resetEvent) {
			t.Errorf("who missed too much gets %q", missed)
		}
	})
}

// A reader that does not read is cut, and the others go on.
func TestSlowStreamIsCut(t *testing.T) {
	h := NewHub()
	slow, _, _ := h.join(0, View)
	quick, _, _ := h.join(0, View)
	for range 3 * streamQueue {
		h.State(State{Device: "pump"})
		<-quick.events
	}
	if h.Streams() != 1 {
		t.Errorf("%d streams are left", h.Streams())
	}
	h.leave(slow)
}

// The log is for who may operate: values are not all that stands in it.
func TestLogLinesNeedOperate(t *testing.T) {
	h := NewHub()
	viewer, _, _ := h.join(0, View)
	operator, _, _ := h.join(0, Operate)
	log := slog.New(NewLogRing(slog.DiscardHandler, h))
	log.With("part", "broker").Warn("refused", "user", "x")
	select {
	case e := <-operator.events:
		if !strings.Contains(string(e.data), `"part":"broker","text":"refused user=x"`) {
			t.Errorf("%s", e.data)
		}
	default:
		t.Error("the operator sees no log line")
	}
	if len(viewer.events) != 0 {
		t.Error("a viewer sees the log")
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

// Both formats pass the judge of Prometheus.
func TestMetricsPassPromtool(t *testing.T) {
	s := newServed(t, func(o *Options) { o.Readings = true })
	w := s.ask("loopback", "GET", "/metrics", "")
	for _, want := range []string{
		`sensorgate_device_up{device="pump"} 1`, `sensorgate_spool_messages{upstream="cloud"} 3`,
		`sensorgate_reading{device="pump",channel="power",unit="W"} 21.5`, `sensorgate_readings_total{device="pump"} 7`, `sensorgate_build_info{version="1.2.3"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	open := s.ask("loopback", "GET", "/metrics", "", func(r *http.Request) { r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0") })
	if !strings.HasSuffix(open.Body.String(), "# EOF\n") || !strings.Contains(open.Body.String(), "# TYPE sensorgate_readings counter") {
		t.Errorf("OpenMetrics: %s", open.Body)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool (Debian package prometheus)")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = w.Body
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Labels cannot break the format.
func TestMetricsEscapeLabels(t *testing.T) {
	f := gauge("x", "a\nb", "")
	f.Add(1, "device", "a\"b\\c\nd")
	var b bytes.Buffer
	WriteMetrics(&b, []Family{f}, false)
	if want := "# HELP sensorgate_x a\\nb\n# TYPE sensorgate_x gauge\nsensorgate_x{device=\"a\\\"b\\\\c\\nd\"} 1\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// A thousand series cost at most 2 ms.
func TestMetricsAreCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated processor is not measured")
	}
	var fs []Family
	for i := range 100 {
		f := gauge(fmt.Sprint("m", i), "help", "")
		for j := range 10 {
			f.Add(float64(j)*1.5, "device", fmt.Sprint("device", j))
		}
		fs = append(fs, f)
	}
	best := time.Hour
	for range 20 {
		var b bytes.Buffer
		start := time.Now()
		WriteMetrics(&b, fs, false)
		best = min(best, time.Since(start))
	}
	if best > 2*time.Millisecond {
		t.Errorf("1,000 series took %s", best)
	}
	t.Logf("1,000 series in %s", best)
}

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
