package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const diffBase = `
node = "n"
data = "/var/lib/x"
[serial.m]
port = "/dev/serial0"
line = "9600 8N1"
[device.grid]
driver = "modbus"
bus = "m"
unit = 1
every = "60s"
channels.v = { input = 0 }
[device.attic]
driver = "bme280"
i2c = "1:0x76"
[device.scale]
driver = "lines"
serial = { port = "/dev/ttyAMA1" }
match = '(?P<weight>.*)'
[bridge.cloud]
urls = ["mqtt://a"]
rules = [ { dir = "out", local = "{node}/#" } ]
`

func mustLoad(t *testing.T, text string) *Config {
	t.Helper()
	c, ps, _ := loadText(t, text)
	if c == nil {
		t.Fatal(ps)
	}
	return c
}

// A plan is shown in a browser and in logs: what changes, and no secret of it.
func TestPlanShowsNoSecret(t *testing.T) {
	from := mustLoad(t, diffBase)
	to := mustLoad(t, strings.Replace(diffBase, `(?P<weight>.*)`, `(?P<weight>.*)token=hush`, 1))
	again := mustLoad(t, strings.Replace(diffBase, `(?P<weight>.*)`, `(?P<weight>.*)token=hush2`, 1))
	for _, c := range []Changes{Diff(from, to), Diff(to, again), Diff(again, from)} {
		text, err := json.Marshal(c)
		if err != nil || len(c.Devices.Changed) != 1 || strings.Contains(string(text), "hush") {
			t.Errorf("the plan shows %s (%v)", text, err)
		}
	}
}

// Each edit of the file changes what it says and nothing else.
func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		want           []string // what is touched
		why            string
	}{
		{"nothing", "", "", nil, ""},
		{"spaces and comments", "[device.attic]", "\n# the attic\n[device.attic]", nil, ""},
		{"the same interval in other words", `"60s"`, `"1m"`, nil, ""},
		{"an interval", `"60s"`, `"30s"`, []string{"~device.grid"}, `every: "60s" → "30s"`},
		{"an option", `"1:0x76"`, `"1:0x77"`, []string{"~device.attic"}, `i2c: "1:0x76" → "1:0x77"`},
		{"a filter", `{ input = 0 }`, `{ input = 0, digits = 1 }`, []string{"~device.grid"}, "channels.v.digits: new, 1"},
		{"a key goes", "unit = 1\nevery = \"60s\"", "unit = 1", []string{"~device.grid"}, `every: gone, was "60s"`},
		{"a name", "device.attic", "device.loft", []string{"+device.loft", "-device.attic"}, ""},
		{"a wire takes its devices along", "9600", "19200", []string{"~serial.m", "~device.grid"}, `line: "9600 8N1" → "19200 8N1"`},
		{"a rule", `"{node}/#"`, `"{node}/+/+"`, []string{"~bridge.cloud"}, "rules:"},
		{"a default of all devices", `node = "n"`, "node = \"n\"\ntopic = \"x/{device}/{channel}\"", []string{"~device.grid", "~device.attic", "~device.scale"}, "defaults changed"},
		{"the broker", "[serial.m]", "[broker]\nmax_clients = 5\n[serial.m]", []string{"~broker.max_clients"}, "10000 → 5"},
		{"a listener comes and one goes", "[serial.m]", "[broker]\nlisten = [\"tcp://127.0.0.1:1884\"]\n[serial.m]", []string{"~broker.listen"},
			"tcp://127.0.0.1:1884 is opened; tcp://127.0.0.1:1883 is closed"},
		{"a limit of a listener", "[serial.m]", "[broker]\nlisten = [{ url = \"tcp://127.0.0.1:1883\", max_qos = 1, max_clients = 5 }]\n[serial.m]", []string{"~broker.listen"},
			"tcp://127.0.0.1:1883: max_clients: 0 → 5, max_qos: default → 1"},
		{"a limit of all", "[serial.m]", "[broker]\nmax_keepalive = \"1m\"\n[serial.m]", []string{"~broker.max_keepalive"}, "0s → 1m0s"},
		{"the node", `node = "n"`, `node = "o"`, []string{"!node", "~device.grid", "~device.attic", "~device.scale", "~bridge.cloud"}, "n → o"},
		{"the journal's size", "[serial.m]", "[journal]\nsize = \"1GiB\"\n[serial.m]", []string{"!journal.size"}, "536870912 → 1073741824"},
		{"the journal", `"/var/lib/x"`, `"/var/lib/y"`, []string{"!data"}, "/var/lib/x → /var/lib/y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(diffBase, c.old) {
				t.Fatal("the edit does nothing")
			}
			changes := Diff(mustLoad(t, diffBase), mustLoad(t, strings.Replace(diffBase, c.old, c.new, 1)))
			got, why := touched(&changes)
			if !slices.Equal(got, c.want) {
				t.Errorf("touches %v, want %v", got, c.want)
			}
			if !strings.Contains(why, c.why) {
				t.Errorf("tells %q, want %q", why, c.why)
			}
			if changes.Empty() != (len(c.want) == 0) {
				t.Errorf("Empty is %v", changes.Empty())
			}
		})
	}
}

// A program that reads the plan finds lists, also empty ones.
func TestPlanHasNoNull(t *testing.T) {
	c := mustLoad(t, diffBase)
	text, err := json.Marshal(Diff(c, c))
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("the plan is %s, %v", text, err)
	}
}

func touched(c *Changes) (names []string, why string) {
	add := func(mark string, cs []Change) {
		for _, ch := range cs {
			names = append(names, mark+ch.Name)
			why += strings.Join(ch.Why, "; ") + "\n"
		}
	}
	add("!", c.Restart)
	add("~", c.Broker)
	for _, t := range []struct {
		kind   string
		tables *Tables
	}{{"serial.", &c.Serial}, {"device.", &c.Devices}, {"bridge.", &c.Bridges}} {
		for _, n := range t.tables.Added {
			names = append(names, "+"+t.kind+n)
		}
		add("~"+t.kind, t.tables.Changed)
		for _, n := range t.tables.Removed {
			names = append(names, "-"+t.kind+n)
		}
	}
	return names, why
}

// Files in conf.d come together with the main file, table by table.
func TestConfD(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sensorgate.toml", "node = \"n\"\n[serial.m]\nport = \"/dev/serial0\"\n")
	write("conf.d/20-attic.toml", "[device.attic]\ndriver = \"bme280\"\ni2c = \"1:0x76\"\n")
	write("conf.d/10-grid.toml", "[device.grid]\ndriver = \"modbus\"\nbus = \"m\"\nunit = 1\nchannels.v = { input = 0 }\n")
	write("conf.d/old.toml.bak", "not read")
	c, ps := Load(filepath.Join(dir, "sensorgate.toml"), fakeCatalogue())
	if c == nil {
		t.Fatal(ps)
	}
	if len(c.Files) != 3 || len(c.Devices) != 2 || c.Devices[0].Name != "grid" {
		t.Errorf("files %v, devices %v", c.Files, c.Devices)
	}
}

func TestMissingFile(t *testing.T) {
	_, ps := Load(filepath.Join(t.TempDir(), "none.toml"), fakeCatalogue())
	if len(ps) != 1 || ps[0].Text != "there is no such file" || len(ps[0].Notes) == 0 {
		t.Errorf("problems: %+v", ps)
	}
	_, ps = Load(t.TempDir(), fakeCatalogue())
	if len(ps) != 1 || ps[0].Text != "this is a directory" {
		t.Errorf("problems: %+v", ps)
	}
}
