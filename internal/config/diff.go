package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"sensorgate/broker"
	"sensorgate/internal/toml"
)

// Changes are what a reload has to do to get from one Config to another. What is not
// named here goes on without a hiccup.
type Changes struct {
	// Restart names what cannot change while the gateway runs: node, data, journal. If
	// it is not empty the reload is refused, and a restart is needed.
	Restart []Change `json:"restart"`

	Broker  []Change `json:"broker"` // listeners, passwords, limits: at most one entry per key of [broker]
	History []Change `json:"history"`
	Web     []Change `json:"web"`

	// Conventions are [homeassistant], [homie], and what tables of devices say for them:
	// descriptions are published anew.
	Conventions []Change `json:"conventions"`
	Serial      Tables   `json:"serial"`
	Devices     Tables   `json:"devices"`
	Bridges     Tables   `json:"bridges"`
}

// Tables are the changes of all tables of one kind, in the order of the files.
type Tables struct {
	Added   []string `json:"added"`
	Changed []Change `json:"changed"`
	Removed []string `json:"removed"`
}

// Change is one thing that is no longer the same, and in what.
type Change struct {
	Name string   `json:"name"`
	Why  []string `json:"why"` // `every: "5s" → "10s"`
}

// Empty reports whether there is nothing to do.
func (c *Changes) Empty() bool {
	return len(c.Restart)+len(c.Broker)+len(c.History)+len(c.Web)+len(c.Conventions) == 0 && c.Serial.empty() && c.Devices.empty() && c.Bridges.empty()
}

func (t *Tables) empty() bool { return len(t.Added)+len(t.Changed)+len(t.Removed) == 0 }

// Touches reports whether the table called name is added, changed or removed.
func (t *Tables) Touches(name string) bool {
	return slices.Contains(t.Added, name) || slices.Contains(t.Removed, name) ||
		slices.ContainsFunc(t.Changed, func(c Change) bool { return c.Name == name })
}

// Diff compares two checked configurations.
func Diff(from, to *Config) Changes {
	c := Changes{Restart: []Change{}}
	for _, pair := range []struct {
		key      string
		old, new any
	}{
		{"node", from.Node, to.Node},
		{"data", from.Data, to.Data},
	} {
		if pair.old != pair.new {
			c.Restart = append(c.Restart, Change{pair.key, []string{arrow(pair.old, pair.new)}})
		}
	}
	c.Restart = append(c.Restart, diffOptions("journal", from.Journal, to.Journal)...)
	c.Broker = diffOptions("broker", from.Broker, to.Broker)
	c.History = diffOptions("history", from.History, to.History)
	c.Web = diffOptions("web", from.Web, to.Web)
	c.Conventions = diffConventions(from, to)
	c.Serial = diffTables(from.Serial, to.Serial, func(b SerialBus) string { return b.Name }, diffSerial)
	c.Devices = diffTables(from.Devices, to.Devices, func(d Device) string { return d.Name },
		func(a, b Device) []string { return diffDevice(a, b, &c.Serial) })
	c.Bridges = diffTables(from.Bridges, to.Bridges, func(b Bridge) string { return b.Name }, diffBridge)
	return c
}

func diffTables[T any](from, to []T, name func(T) string, diff func(a, b T) []string) Tables {
	t := Tables{Added: []string{}, Changed: []Change{}, Removed: []string{}} // lists in JSON, not null
	old := make(map[string]T, len(from))
	for _, x := range from {
		old[name(x)] = x
	}
	for _, x := range to {
		was, there := old[name(x)]
		if !there {
			t.Added = append(t.Added, name(x))
			continue
		}
		delete(old, name(x))
		if why := diff(was, x); len(why) > 0 {
			t.Changed = append(t.Changed, Change{name(x), why})
		}
	}
	for _, x := range from {
		if _, gone := old[name(x)]; gone {
			t.Removed = append(t.Removed, name(x))
		}
	}
	return t
}

// diffListeners names the listeners that come, go, or become different.
func diffListeners(a, b []broker.Listener) (why []string) {
	name := func(l broker.Listener) string { return l.String() + l.Path }
	t := diffTables(a, b, name, func(a, b broker.Listener) []string {
		var keys []string
		for _, c := range diffOptions("", a, b) {
			keys = append(keys, strings.TrimPrefix(c.Name, ".")+": "+c.Why[0])
		}
		return keys
	})
	for _, n := range t.Added {
		why = append(why, n+" is opened")
	}
	for _, c := range t.Changed {
		why = append(why, c.Name+": "+strings.Join(c.Why, ", "))
	}
	for _, n := range t.Removed {
		why = append(why, n+" is closed")
	}
	if len(why) == 0 {
		why = []string{"in another order"}
	}
	return why
}

// diffOptions compares the options of a package, key by key.
func diffOptions(table string, a, b any) []Change {
	out := []Change{}
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		f := va.Type().Field(i)
		if f.Anonymous {
			out = append(out, diffOptions(table, va.Field(i).Interface(), vb.Field(i).Interface())...)
			continue
		}
		if !f.IsExported() || reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			continue
		}
		key := f.Tag.Get("toml")
		if old, ok := va.Field(i).Interface().([]broker.Listener); ok {
			out = append(out, Change{table + ".listen", diffListeners(old, vb.Field(i).Interface().([]broker.Listener))})
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		out = append(out, Change{table + "." + key, []string{arrow(va.Field(i).Interface(), vb.Field(i).Interface())}})
	}
	return out
}

// diffConventions compares what is only for those who find devices by themselves. A device
// that changes otherwise is described anew, too.
func diffConventions(from, to *Config) []Change {
	out := append(diffOptions("homeassistant", from.HomeAssistant, to.HomeAssistant), diffOptions("homie", from.Homie, to.Homie)...)
	for i := range to.Devices {
		d := &to.Devices[i]
		k := slices.IndexFunc(from.Devices, func(o Device) bool { return o.Name == d.Name })
		if k >= 0 && !reflect.DeepEqual(from.Devices[k].Described, d.Described) {
			out = append(out, Change{"device." + d.Name, toml.DiffText(from.Devices[k].text, d.text, "defaults")})
		}
	}
	return out
}

func diffSerial(a, b SerialBus) []string {
	if reflect.DeepEqual(a.Options, b.Options) {
		return nil
	}
	return toml.DiffText(a.text, b.text, "options")
}

// diffDevice compares what was made of the tables first: "60s" for "1m" changes
// nothing. Only where that differs it looks for the keys.
func diffDevice(a, b Device, buses *Tables) []string {
	if bus := b.Map.Bus; bus != "" && buses.Touches(bus) {
		return []string{"its bus " + bus + " changes"}
	}
	same := a.Driver.Name == b.Driver.Name && reflect.DeepEqual(a.Map, b.Map) && a.Config.Every == b.Config.Every &&
		(a.text.Equal(b.text) || reflect.DeepEqual(a.Config, b.Config))
	if same {
		return nil
	}
	return toml.DiffText(a.text, b.text, "defaults")
}

func diffBridge(a, b Bridge) []string {
	ta, tb := a.text, b.text
	a.text, b.text = nil, nil
	if reflect.DeepEqual(a, b) {
		return nil
	}
	if why := toml.DiffText(ta, tb, "node"); len(why) > 0 {
		return why
	}
	return []string{"the rules that [homeassistant] makes"}
}

func arrow(a, b any) string { return shown(a) + " → " + shown(b) }

// shown is a value of an option for people; one that is not set is the default.
func shown(v any) string {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return "default"
		}
		rv = rv.Elem()
	}
	return fmt.Sprintf("%v", rv.Interface())
}
