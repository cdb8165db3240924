package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

func (f *fakeConfig) Plan() (any, error) { return map[string]any{}, nil }

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
