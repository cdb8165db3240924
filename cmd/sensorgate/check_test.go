package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const smallConfig = `node = "n"
data = ""
[device.a]
driver = "sim"
every = "1s"
channels.v = { shape = "sine", to = 5, unit = "V" }
[device.pump]
driver = "sim"
channels.state = { shape = "output" }
[bridge.cloud]
urls = ["mqtt://127.0.0.1:1"]
prefix = "s/"
spool = { memory = "1MiB" }
rules = [ { dir = "out", local = "{node}/#" }, { dir = "in", local = "{node}/+/+/set" } ]
`

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	good := writeConfig(t, smallConfig)
	if got := must(t, "", "check", "-c", good); got != "ok: node n, 2 devices, 2 channels, 0 serial buses, 1 upstream from 1 file\n" {
		t.Errorf("check prints %q", got)
	}
	broken := writeConfig(t, strings.Replace(smallConfig, `"1s"`, "1", 1))
	out, err := with(t, "", "check", "--json", "-c", broken)
	var usage usageError
	if !errors.As(err, &usage) {
		t.Errorf("a broken file ends with %v, want 2", err)
	}
	var result struct {
		OK       bool
		Problems []struct {
			File, Path, Text string
			Line, Column     int
			Notes            []struct{ Label, Text string }
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if p := result.Problems; result.OK || len(p) != 1 || p[0].Path != "device.a.every" || p[0].Line != 5 || p[0].Column != 9 || p[0].Notes[0].Text != `every = "1s"` {
		t.Errorf("problems are %+v", result)
	}
}

// --hardware reads what can be read, leaves outputs alone, and fails for an upstream
// that is not there.
func TestCheckHardware(t *testing.T) {
	out, err := with(t, "", "check", "--hardware", "--json", "-c", writeConfig(t, smallConfig))
	var result checkResult
	if jerr := json.Unmarshal([]byte(out), &struct {
		OK       *bool
		Hardware any
	}{&result.OK, &result.Hardware}); jerr != nil {
		t.Fatalf("%v: %s", jerr, out)
	}
	if len(result.Hardware) != 3 || !result.Hardware[0].OK || !strings.HasPrefix(result.Hardware[0].Text, "v ") || !result.Hardware[1].Skipped || result.Hardware[2].OK {
		t.Errorf("trials are %+v", result.Hardware)
	}
	if err == nil || !strings.Contains(err.Error(), "1 of 3") {
		t.Errorf("ends with %v", err)
	}
}

func TestTopicsAndRoute(t *testing.T) {
	path := writeConfig(t, smallConfig)
	topics := must(t, "", "topics", "-c", path)
	for _, want := range []string{"n/a/v ", "cloud[0] → s/n/a/v", "n/pump/state/set ", "cloud[1] ← s/n/pump/state/set"} {
		if !strings.Contains(topics, want) {
			t.Errorf("topics does not list %q:\n%s", want, topics)
		}
	}
	for topic, want := range map[string]string{
		"n/a/v":              "bridge.cloud.rules[0] sends n/a/v as s/n/a/v with QoS 1",
		"n/pump/state/set":   "in beats out",
		"s/n/pump/state/set": "bridge.cloud.rules[1] fetches s/n/pump/state/set as n/pump/state/set with QoS 1, unless it is older than 1m",
		"other/topic":        "no rule sends or fetches it",
	} {
		if got := must(t, "", "route", topic, "-c", path); !strings.Contains(got, want) {
			t.Errorf("route %s prints\n%swant %q", topic, got, want)
		}
	}
}

func TestPlanBetweenFiles(t *testing.T) {
	old := writeConfig(t, smallConfig)
	if got := must(t, "", "plan", "--from", old, "-c", old); got != "nothing changes\n" {
		t.Errorf("plan prints %q", got)
	}
	next := writeConfig(t, strings.NewReplacer(`"1s"`, `"2s"`, "device.pump", "device.fan").Replace(smallConfig))
	want := "+ device.fan\n~ device.a: every: \"1s\" → \"2s\"\n- device.pump\nEverything else goes on untouched.\n"
	if got := must(t, "", "plan", "--from", old, "-c", next); got != want {
		t.Errorf("plan prints\n%swant\n%s", got, want)
	}
}

func TestModelAndSchema(t *testing.T) {
	if got := must(t, "", "model", "list", "sdm630"); !strings.Contains(got, "eastron/sdm630") {
		t.Errorf("model list prints %q", got)
	}
	// Users look for what they have (a maker, a kind of device) and for what they want.
	for word, want := range map[string]string{"huawei": "huawei/sun2000", "relay": "wiren-board/wb-mr6c", "state_of_charge": "victron/gx-battery", "Wallbox": "heidelberg/energy-control"} {
		if got := must(t, "", "model", "list", word); !strings.Contains(got, want) || strings.Contains(got, "xy/md02") {
			t.Errorf("model list %s prints %q, want %s", word, got, want)
		}
	}
	if got := must(t, "", "model", "show", "eastron/sdm630"); !strings.Contains(got, `driver = "modbus"`) {
		t.Errorf("model show prints %q", got)
	}
	var schema struct {
		Properties map[string]any
	}
	if err := json.Unmarshal([]byte(must(t, "", "schema")), &schema); err != nil || schema.Properties["device"] == nil {
		t.Errorf("schema: %v", err)
	}
}

// init makes a configuration that is right, out of whatever is answered, and never
// writes over one.
func TestInit(t *testing.T) {
	for name, answers := range map[string]string{
		"proposals":     "",
		"an upstream":   "barn\n\n\nno\nno\nno\nno\nno\nno\nno\nno\nno\nmqtt.example.com\nanna\n\n\n",
		"odd answers":   "a b/c\n\n\n\"]]\n'''\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
		"end of a pipe": "x",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "new", "s.toml")
			out, err := with(t, answers, "init", path)
			if _, serr := os.Stat(path); serr != nil {
				t.Fatalf("no file: %v\n%s", serr, out)
			}
			if err != nil && name != "odd answers" {
				t.Errorf("%v\n%s", err, out)
			}
			if _, err := with(t, "", "init", path); err == nil {
				t.Error("written over")
			}
		})
	}
}

func TestFmt(t *testing.T) {
	path := writeConfig(t, smallConfig)
	if _, err := with(t, "", "fmt", "--check", path); err == nil {
		t.Error("--check finds nothing")
	}
	must(t, "", "fmt", "-w", path)
	must(t, "", "fmt", "--check", path)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "every      = \"1s\"\n") {
		t.Errorf("%v: %s", err, text)
	}
	if got := must(t, "a=1\nbb   =  2", "fmt"); got != "a  = 1\nbb = 2\n" {
		t.Errorf("fmt prints %q", got)
	}
}
