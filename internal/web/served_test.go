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
	"sensorgate/internal/confd"
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
		}, Dropped: 1, Counters: drivers.Counters{
			Polls: 6, Opened: 3, Errors: [len(drivers.Reasons)]uint64{1: 2, 4: 1},
			Answers: [len(drivers.AnswerLimits) + 1]uint64{1, 2, 0, 0, 2, 1}, Asked: 7500 * time.Millisecond,
			Refused: [len(drivers.AllRejected)]uint64{3, 1},
		}}},
		Upstreams: []status.Upstream{{
			Name: "cloud", Connected: true, Waiting: 3, WaitingBytes: 99, Oldest: testNow.Add(-time.Minute), Sent: 41, Received: 5, Dropped: 6, Ignored: 7,
			Connects: 8, InFlight: 2, Limit: 1 << 20, DroppedFor: map[string]uint64{"full": 1, "age": 5, "expired": 0},
			Gaps: &status.Gaps{Topic: "barn/status/gap", Total: 6, Unreported: 1, Why: map[string]uint64{"spool": 1}, Records: 2, LastReported: testNow},
			Will: &status.Will{Topic: "barn/status", Online: "online", Offline: "offline", QoS: 1, Retain: true},
		}},
		Broker: status.Broker{
			Clients: 4, Subscriptions: 12, Retained: 9, Received: 100, Sent: 200, Dropped: 3, Sessions: 6,
			Memory: 300, MemoryLimit: 64 << 20, MemoryFor: map[string]int64{"sessions": 200, "buffers": 100}, RefusedMemory: 2, LongestTurn: 1.5,
		},
		Journal: status.Journal{Dir: "/d", Records: 13, Bytes: 1300, BytesWritten: 9000, Syncs: 21, Damaged: 1, ClockSteps: 2, DiskBytes: 8 << 20, Limit: 64 << 20, Free: 1 << 30},
		Counts:  testCounts(),
	}
}

func testCounts() status.Counts {
	return status.Counts{
		Buses: []drivers.BusCounters{{Bus: "i2c-1", Busy: 250 * time.Millisecond}, {Bus: "rs485", Busy: 90 * time.Second, Reopens: 4}},
		Broker: status.BrokerCounts{
			ReceivedByQoS: [3]uint64{50, 40, 10}, SentByQoS: [3]uint64{120, 70, 10}, BytesReceived: 5000, BytesSent: 10000, Connections: 17,
			ListenerClients: map[string]int{"tcp://:1883": 3, "ws://:8080": 1}, RetainedBytes: 450, SlowClosed: 1, Malformed: 2,
			RefusedFor: map[string]uint64{"login": 5, "malformed": 2}, DroppedFor: map[string]uint64{"slow": 2, "denied": 1},
		},
		Journal:  status.JournalCounts{SyncTime: 1250 * time.Millisecond, SyncedCommits: 25, TornBytes: 12},
		Commands: map[string]uint64{"done": 11, "refused": 2, "failed": 1, "timeout": 3},
		Reloads:  [2]uint64{1, 5}, Reloaded: testNow.Add(-time.Hour),
		Certificates: map[string]time.Time{"/etc/sensorgate/server.crt": testNow.Add(30 * 24 * time.Hour)},
	}
}

func (f *fakeGateway) Describe() describe.Node {
	return describe.Node{Name: "barn", StatusTopic: "barn/status", Upstreams: []string{"cloud"}, Devices: []describe.Device{{
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

// fakeConfig answers as a gateway would, once.
type fakeConfig struct {
	reloads int
	edits   []confd.Edit
	refuse  error // of a save or confirmation
	at      time.Time
}

func (f *fakeConfig) Files() ([]confd.File, error) {
	return []confd.File{{Name: "sensorgate.toml", Text: "node = \"barn\"\n", ETag: "x", Paste: "sudoedit sensorgate.toml"}}, nil
}

func (f *fakeConfig) Check([]ConfigFile) (config.Problems, error) { return nil, nil }

func (f *fakeConfig) Plan([]ConfigFile) (config.Changes, error) {
	return config.Diff(&config.Config{}, &config.Config{}), nil
}

func (f *fakeConfig) Reload() error {
	if f.reloads++; f.reloads > 1 {
		return errors.New("sensorgate.toml:3:1: unknown key")
	}
	return nil
}

func (f *fakeConfig) Save(e confd.Edit) (confd.Saved, error) {
	f.edits = append(f.edits, e)
	return confd.Saved{Version: 3, ETag: "\"y\""}, f.refuse
}

func (f *fakeConfig) Undo(version int, user string) (confd.Saved, error) {
	return f.Save(confd.Edit{User: user})
}

func (f *fakeConfig) Confirm(_ int, connected time.Time) error {
	f.at = connected
	return f.refuse
}

func (f *fakeConfig) Versions() (bool, []confd.Version, *confd.Wait, error) {
	return true, []confd.Version{{ID: 2, File: "a.toml", Time: testNow, User: "bob", Text: "x"}}, &confd.Wait{Version: 3, File: "a.toml", Until: testNow}, nil
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
	config  *fakeConfig
	did     []string // what was asked of the broker
	view    string   // secret of a token that may view
}

func newServed(t *testing.T, change func(*Options)) *served {
	t.Helper()
	store, err := history.Open(history.Options{Dir: "h", FS: crashdisk.New(rand.New(rand.NewPCG(1, 1)))})
	if err != nil {
		t.Fatal(err)
	}
	s := &served{config: &fakeConfig{}, gateway: &fakeGateway{store: store}, users: fakeUsers{"ann": "a-pw", "bob": "b-pw", "vic": "v-pw"}}
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
		Gateway: s.gateway, Config: s.config, Broker: s, Machine: fakeMachine{}, Users: s.users,
		Ring: NewLogRing(slog.DiscardHandler, hub), Version: "1.2.3",
	}
	if change != nil {
		change(&o)
	}
	s.Server = New(o, hub)
	s.handler, s.view = s.Handler(), secret
	return s
}

// ask makes one request. who is a user, "token", "loopback", "socket", "group" (a member of the
// gateway's, on the socket), "proxy" (a foreign
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
	case "group":
		r = r.WithContext(status.FromGroup(r.Context()))
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
