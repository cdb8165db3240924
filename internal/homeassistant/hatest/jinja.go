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
// the payload, value_json what it is as JSON, this the entity. What is undefined and used
// nevertheless is a warning in its log for each message, and an error here.
const render = `
import json, sys
from jinja2 import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
class Warns(Undefined):
    def warn(self, *_): raise ValueError("a warning in the log of Home Assistant: " + self._undefined_message)
    __str__ = __iter__ = __bool__ = __len__ = __eq__ = __ne__ = __hash__ = warn
env = ImmutableSandboxedEnvironment(undefined=Warns)
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
	python := withJinja(t)
	for i := range ts {
		if ts[i].Template == "" {
			ts[i].Template = "{{ value }}"
		}
	}
	in, err := json.Marshal(ts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", render)
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

// withJinja is a Python that has Jinja: Debian's own sees what Debian has installed.
func withJinja(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import jinja2").Run() == nil {
			return python
		}
	}
	t.Skip("no Jinja here (Debian package python3-jinja2)")
	return ""
}
