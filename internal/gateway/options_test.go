package gateway

import (
	"io"
	"log/slog"
	"reflect"
	"testing"

	"sensorgate/bridge"
	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/journal"
)

// unreachable are the options of packages that no configuration sets, each with its reason.
var unreachable = map[string]string{
	"journal.Options.FS":          "a simulation's disk: Options.Around",
	"broker.Options.Network":      "a simulation's network: Options.Around",
	"bridge.Options.Dial":         "a simulation's network: Options.Around",
	"journal.Options.SegmentSize": "the default follows from the size; tests make it small",
	"journal.Options.Wall":        "a simulation's clock; nil: of the operating system",
	"journal.Limits.Reserve":      "newUpstream: half of the journal, for all spools together",
	"journal.Limits.Brief":        "broker.RememberedLimits: queues of packet ids",
	"bridge.Status.Stopped":       "the connections of [homie] to upstreams",
	"bridge.Status.Once":          "the same",
	"bridge.Options.Inbound":      "newUpstream: a queue of the journal beside the spool",
}

// Every option of a package follows from reference.toml, which has every key, or from the
// program: an option that nothing sets is dead.
func TestEveryOptionIsReachable(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	c, ps := config.Load("../../configs/reference.toml", NewHardware(quiet).Catalogue())
	if c == nil {
		t.Fatal(ps)
	}
	o := Options{Config: c, Log: quiet, Version: "1"}
	j, err := journal.Open(journal.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{opt: o, log: quiet, journal: j, broker: &broker.Broker{}}
	b := brokerOptions(c, j, o)
	made := []any{journalOptions(c, o), b}
	for _, l := range b.Listeners {
		made = append(made, l, l.Limits)
	}
	for _, br := range c.Bridges {
		bo := g.bridgeOptions(br, &journal.Queue{})
		made = append(made, bo, br.Spool, bo.TLS, bo.Status, bo.Backlog, bo.Late)
		for _, r := range bo.Rules {
			made = append(made, r)
		}
	}
	fields, set := map[string]bool{}, map[string]bool{}
	for _, v := range made {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			if f := rv.Type().Field(i); f.IsExported() {
				name := rv.Type().String() + "." + f.Name
				fields[name] = true
				set[name] = set[name] || !rv.Field(i).IsZero()
			}
		}
	}
	for name := range fields {
		switch reason, listed := unreachable[name]; {
		case !set[name] && !listed:
			t.Errorf("%s: neither a key of reference.toml nor the program sets it; give it a key, or list it with a reason", name)
		case set[name] && listed:
			t.Errorf("%s is set, but listed as unreachable (%s): take it out", name, reason)
		}
	}
	for name := range unreachable {
		if !fields[name] {
			t.Errorf("%s is listed, but there is no such option", name)
		}
	}
	if n := reflect.TypeFor[bridge.Options]().NumField(); len(fields) < n {
		t.Errorf("looked at %d options, fewer than a bridge alone has", len(fields))
	}
}
