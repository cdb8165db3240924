package hatest

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
)

// Template is one template with the payload that it is rendered on.
type Template struct {
	Template string `json:"template"`
	Payload  string `json:"payload"`
	This     string `json:"this"` // the entity's state before
}

// render does what homeassistant/helpers/template.py does with a value template: value is
// the payload, value_json what it is as JSON, this the entity.
const render = `
import json, sys
from jinja2.sandbox import ImmutableSandboxedEnvironment
env = ImmutableSandboxedEnvironment()
class This: pass
out, known = [], {}
for t in json.load(sys.stdin):
    this = This(); this.state = t["this"]
    values = {"value": t["payload"], "this": this}
    try:
        values["value_json"] = json.loads(t["payload"])
    except ValueError:
        pass
    try:
        if t["template"] not in known:
            known[t["template"]] = env.from_string(t["template"])
        out.append(known[t["template"]].render(values).strip())
    except Exception as e:
        out.append("ERROR " + str(e))
json.dump(out, sys.stdout)
`

// Render renders all templates with Jinja itself; it skips the test where that is not
// installed. An empty template is the payload as it is.
func Render(t *testing.T, ts []Template) []string {
	t.Helper()
	if err := exec.Command("python3", "-c", "import jinja2").Run(); err != nil {
		t.Skip("no Jinja here (Debian package python3-jinja2):", err)
	}
	for i := range ts {
		if ts[i].Template == "" {
			ts[i].Template = "{{ value }}"
		}
	}
	in, err := json.Marshal(ts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", render)
	cmd.Stdin = bytes.NewReader(in)
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("jinja: %v", err)
	}
	var out []string
	if err := json.Unmarshal(text, &out); err != nil || len(out) != len(ts) {
		t.Fatalf("jinja answered %d of %d: %v", len(out), len(ts), err)
	}
	return out
}
