package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

// Somebody runs a gateway without sudo: if the store is not his, what to write is said. A
// certificate or a file of passwords that he may not read has another reason.
func TestAdviceAboutTheStoreIsAboutTheStore(t *testing.T) {
	const data = "/var/lib/sensorgate"
	c := &config.Config{Data: filepath.Join(writeConfig(t, ""), "under-a-file")}
	_, err := gateway.New(gateway.Options{Config: c, Log: discard, Hardware: gateway.NewHardware(discard)})
	var store gateway.StoreError
	if !errors.As(err, &store) {
		t.Fatalf("a store that cannot be: %v", err)
	}
	of := func(err error) string { return explainStore(err, data, 1000).Error() }
	denied := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}
	if got := of(gateway.StoreError{Err: denied}); !strings.Contains(got, "is the store of the service") {
		t.Errorf("the store: %s", got)
	}
	if got := of(fmt.Errorf("broker.key: %w", denied)); strings.Contains(got, data) {
		t.Errorf("a key: %s", got)
	}
}

// A gateway with two listeners of which mosquitto has one: the tools take the other, and never
// talk to mosquitto as if it were the gateway.
func TestToolsPassOverAListenerThatIsTaken(t *testing.T) {
	var s settings
	s.path = writeConfig(t, "data = \"\"\n[broker]\nlisten = [\"tcp://127.0.0.1:1883\", \"tcp://127.0.0.1:18831\", \"ws://127.0.0.1:9001\"]\n")
	c, problems := s.read()
	if c == nil {
		t.Fatal(problems)
	}
	taken := func(urls ...string) (closed []string) {
		for _, u := range urls {
			closed = append(closed, "listener "+u+": already taken by mosquitto (stop it): address in use")
		}
		return closed
	}
	for _, try := range []struct {
		closed []string
		want   string
	}{
		{nil, "127.0.0.1:1883"},
		{taken("tcp://127.0.0.1:1883"), "127.0.0.1:18831"},
		{taken("tcp://127.0.0.1:18831"), "127.0.0.1:1883"},
		{taken("tcp://127.0.0.1:1883", "tcp://127.0.0.1:18831"), "127.0.0.1:9001"},
	} {
		if b, err := listenerFor(c, try.closed); err != nil || b.Address != try.want {
			t.Errorf("without %v: %+v, %v, want %s", try.closed, b, err, try.want)
		}
	}
	if b, err := listenerFor(c, taken("tcp://127.0.0.1:1883", "tcp://127.0.0.1:18831", "ws://127.0.0.1:9001")); err == nil || !strings.Contains(err.Error(), "mosquitto") {
		t.Errorf("all are taken: %+v, %v", b, err)
	}
}

// What listenerFor goes by is what the broker says.
func TestReasonOfATakenListenerBeginsWithItsName(t *testing.T) {
	taken := broker.Listener{Network: "tcp", Address: "127.0.0.1:" + startBroker(t, "")}
	free := broker.Listener{Network: "tcp", Address: "127.0.0.1:0"}
	b := runBroker(t, broker.Options{Listeners: []broker.Listener{taken, free}, Patient: true})
	why := b.NotListening()
	if len(why) != 1 {
		t.Fatalf("not listening: %v", why)
	}
	c := &config.Config{}
	c.Broker.Listeners = []broker.Listener{taken, free}
	if got, err := listenerFor(c, []string{why[0].Error()}); err != nil || got.Address != free.Address {
		t.Errorf("%v leaves %+v, %v, want %s", why, got, err, free.Address)
	}
}

// A program reads what clean prints, too.
func TestDiscoveryCleanAsJSON(t *testing.T) {
	port := startBroker(t, "")
	file := writeConfig(t, "node = \"barn\"\ndata = \"\"\n[broker]\nlisten = [\"tcp://127.0.0.1:"+port+"\"]\n")
	clean := func(args ...string) string {
		return must(t, "", append([]string{"discovery", "clean", "--json", "-c", file}, args...)...)
	}
	none := "{\n  \"topics\": [],\n  \"removed\": false\n}\n"
	if got := clean(); got != none {
		t.Errorf("nothing is there: %s", got)
	}
	const topic = "homeassistant/sensor/gone/config"
	must(t, "", "pub", "-p", port, "-q", "1", "-r", "-t", topic, "-m", `{"origin":{"name":"sensorgate"},"device":{"identifiers":["barn_tank"],"via_device":"barn"}}`)
	for _, try := range []struct {
		args []string
		want string
	}{{[]string{"--dry-run"}, "false"}, {nil, "true"}} {
		want := "{\n  \"topics\": [\n    \"" + topic + "\"\n  ],\n  \"removed\": " + try.want + "\n}\n"
		if got := clean(try.args...); got != want {
			t.Errorf("%v: %s, want %s", try.args, got, want)
		}
	}
	if got := clean(); got != none {
		t.Errorf("afterwards: %s", got)
	}
}
