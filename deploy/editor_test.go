package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// editorTools is the folder into which npm installed ajv and @taplo/lsp.
func editorTools(t *testing.T) string {
	t.Helper()
	tools := os.Getenv("EDITOR_TOOLS")
	if tools == "" {
		t.Skip("skipped: needs EDITOR_TOOLS, a folder in which `npm install ajv@8.20.0 @taplo/lsp@0.8.0` was run")
	}
	tool(t, "node")
	return tools
}

// schemaOf writes the schema of the program of this tree.
func schemaOf(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command(program(t), "schema").Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sensorgate.schema.json")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The schema is valid for ajv's strict mode; every configuration that is shipped is right by
// it; and one typo is one fault, at the typo.
func TestSchemaIsStrictAndReportsATypoOnce(t *testing.T) {
	t.Parallel()
	tools := editorTools(t)
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	files, err := filepath.Glob("../configs/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range append(files, "sensorgate.toml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Encode(map[string]any{"name": filepath.Base(file), "value": decoded(t, string(text))}); err != nil {
			t.Fatal(err)
		}
	}
	want := ""
	for _, typo := range []struct{ name, text, fault string }{
		{"channel", `device.d = { driver = "sim", channels.x = { shap = "sine" } }`, "/device/d/channels/x/shap: must NOT be valid"},
		{"device", `device.d = { driver = "modbus", uint = 1 }`, "/device/d/uint: must NOT be valid"},
		{"model", `device.d = { model = "eastron/sdm630", unti = 1 }`, "/device/d/unti: must NOT be valid"},
		{"driver", `device.d = { driver = "bme281", i2c = "1:0x76" }`, "/device/d/driver: must be equal to one of the allowed values"},
		{"type", `device.d = { driver = "modbus", unit = "1" }`, "/device/d/unit: must be integer"},
		{"duration", `device.d = { driver = "sim", every = 5 }`, "/device/d/every: must be string"},
		{"broker", `broker.lisen = []`, "/broker/lisen: must NOT be valid"},
		{"rule", `bridge.b = { urls = ["mqtt://h"], rules = [ { dir = "out", local = "#", qoss = 1 } ] }`, "/bridge/b/rules/0/qoss: must NOT be valid"},
		{"neither", `device.d = { every = "5s" }`, "/device/d: must have required property 'model'"},
		{"top", `nodes = "x"`, "/nodes: must NOT be valid"},
	} {
		if err := enc.Encode(map[string]any{"name": typo.name, "value": decoded(t, typo.text)}); err != nil {
			t.Fatal(err)
		}
		want += typo.name + ": " + typo.fault + "\n"
	}
	cmd := exec.Command("node", "editor/strict.js", tools, schemaOf(t, t.TempDir()))
	cmd.Stdin = &in
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != want {
		t.Errorf("%v\n%swant\n%s", err, out, want)
	}
}

// decoded is a configuration as a program that knows TOML alone reads it.
func decoded(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if _, err := toml.Decode(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What one sees in an editor with taplo: of the whole reference with one typo in it the typo
// is marked, and nothing else; keys are explained; keys, drivers and values are offered.
func TestEditorSession(t *testing.T) {
	t.Parallel()
	tools := editorTools(t)
	dir := t.TempDir()
	schemaOf(t, dir)
	reference, err := os.ReadFile("../configs/reference.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := "#:schema ./sensorgate.schema.json\n" + string(reference) + `
[device.typing]
driver = "sim"
every = "5s"

[device.typing.channels]
x = { shape = "sine", form = 1, to = 2 }
`
	typo := strings.Count(text, "\n") - 1 // the last line
	file := filepath.Join(dir, "sensorgate.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(kind string, line, column int) string { return fmt.Sprintf("%s:%d:%d", kind, line, column) }
	cmd := exec.Command("node", "editor/session.js", tools, file, at("hover", typo-3, 2), at("hover", typo, 8), at("complete", typo-2, 0))
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	var seen struct {
		Marks []struct {
			Line int
			Text string
		}
		Hovers []string
		Offers [][]string
	}
	if err != nil || json.Unmarshal(out, &seen) != nil {
		t.Fatalf("%v\n%s%s", err, out, errOut.String())
	}
	if len(seen.Marks) != 1 || seen.Marks[0].Line != typo || !strings.Contains(seen.Marks[0].Text, "sensorgate check") {
		t.Errorf("marked: %+v, want line %d alone", seen.Marks, typo)
	}
	if len(seen.Hovers) != 2 || !strings.HasPrefix(seen.Hovers[0], "The interval of the polls") || !strings.HasPrefix(seen.Hovers[1], "What the values do") {
		t.Errorf("explained: %q", seen.Hovers)
	}
	if len(seen.Offers) != 1 || !slices.Contains(seen.Offers[0], "model") || !slices.Contains(seen.Offers[0], "publish") || slices.Contains(seen.Offers[0], "every") {
		t.Errorf("offered: %q, want the keys that are not there yet", seen.Offers)
	}
}
