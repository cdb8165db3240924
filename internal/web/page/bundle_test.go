package page

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// firstModules are the modules that every visit needs, each behind those that it imports
// from. They are served as one file, app.js: a phone asks for one file sooner than for
// fourteen, and each costs it a task. Nothing is changed in them but that the lines with
// imports are left out; the other modules import from app.js what they import from these in
// src. stream.js is served by itself, too: it is a worker.
var firstModules = []string{"newest.js", "i18n.js", "api.js", "dom.js", "format.js", "store.js", "state.js", "spark.js", "command.js", "now.js", "stream.js", "login.js", "app.js"}

var importLine = regexp.MustCompile(`(?m)^import .*\n`)

// asServed makes of the sources what is served.
func asServed(all map[string][]byte) map[string][]byte {
	var first bytes.Buffer
	for _, name := range firstModules {
		first.Write(importLine.ReplaceAll(all[name], nil))
	}
	out := map[string][]byte{}
	for name, text := range all {
		switch {
		case name == "stream.js":
			out[name] = text
		case slices.Contains(firstModules, name):
		case strings.HasSuffix(name, ".js") && name != "uplot.js":
			out[name] = imported.ReplaceAllFunc(text, func(line []byte) []byte {
				for _, one := range firstModules {
					line = bytes.Replace(line, []byte("'./"+one+"'"), []byte("'./app.js'"), 1)
				}
				return line
			})
		default:
			out[name] = text
		}
	}
	out["app.js"] = first.Bytes()
	return out
}

var (
	declared = regexp.MustCompile(`(?m)^(?:export )?(?:async )?(?:function|class) (\w+)`)
	values   = regexp.MustCompile(`(?m)^(?:export )?(?:const|let) .*$`)
	value    = regexp.MustCompile(`(?:const |let |, )(\w+)(?: =|,|$)`)
)

// names are those that a module declares outside of its functions.
func names(text string) (all []string) {
	for _, m := range declared.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	for _, line := range values.FindAllString(text, -1) {
		for _, m := range value.FindAllStringSubmatch(line, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// In one file no two modules may give the same name to something, each must stand behind
// what it imports from, and a default export has no name to import.
func TestFirstModulesFitIntoOneFile(t *testing.T) {
	all := sources(t)
	owner := map[string]string{}
	for i, name := range firstModules {
		for _, one := range names(string(all[name])) {
			if owner[one] != "" {
				t.Errorf("%s and %s both declare %s", owner[one], name, one)
			}
			owner[one] = name
		}
		for _, m := range imported.FindAllStringSubmatch(string(all[name]), -1) {
			if k := slices.Index(firstModules, m[3]); k < 0 || k >= i || m[1] != "" || strings.Contains(m[2], " as ") {
				t.Errorf("%s stands before what it needs, or imports by another name: %s", name, m[0])
			}
		}
		if bytes.Contains(all[name], []byte("export default")) {
			t.Errorf("%s has a default export", name)
		}
	}
}

// served are the files as they are served.
func served(t *testing.T) map[string][]byte {
	t.Helper()
	out := asServed(sources(t))
	for name, text := range out {
		for _, m := range imported.FindAllStringSubmatch(string(text), -1) {
			if out[m[3]] == nil {
				panic(fmt.Sprintf("%s imports from %s, which is not served", name, m[3]))
			}
		}
	}
	return out
}
