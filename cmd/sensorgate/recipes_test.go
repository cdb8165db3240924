package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// recipe is a section of docs/recipes.md.
func recipe(t *testing.T, title string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "\n## "+title+"\n")
	if !found {
		t.Fatalf("docs/recipes.md has no recipe %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// recipePort finds the ports of the recipes; all are the one that the device of the test is on.
var recipePort = regexp.MustCompile(`/dev/[\w./-]+`)

// Whoever follows a recipe for a meter sees what it promises: its file is taken, and each of
// its commands works, against a device that is made up.
func TestRecipesForMeters(t *testing.T) {
	for _, r := range []struct {
		title, model string
		want         map[string]string // by the beginning of a command
	}{
		{"A Dutch, Belgian or Luxembourg meter: P1", "dsmr/p1", map[string]string{"check": "ok", "read": "energy_import_t1"}},
		{"A German meter: SML", "emh/ehz", map[string]string{"sniff": "1B 1B 1B 1B", "read": "energy"}},
		{"Modbus on RS-485", "eastron/sdm630", map[string]string{"scan": "unit   = 1", "model": "eastron/sdm120", "read": "voltage_l1"}},
	} {
		t.Run(r.model, func(t *testing.T) {
			t.Parallel()
			port, file := simulated(t, r.model), ""
			for _, block := range pageBlock.FindAllStringSubmatch(recipe(t, r.title), -1) {
				text := recipePort.ReplaceAllString(block[2], port)
				if block[1] == "toml" {
					file = writeConfig(t, text)
					continue
				}
				for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
					_, command, _ := strings.Cut(line, "sensorgate ")
					word, _, _ := strings.Cut(command, " ")
					if out := typeRecipe(t, command, file, r.want[word]); !strings.Contains(out, r.want[word]) || r.want[word] == "" {
						t.Errorf("%s: no %q in\n%s", line, r.want[word], out)
					}
				}
			}
		})
	}
}

// typeRecipe runs one command of a recipe; what shows bytes until Ctrl-C is
// ended when it has shown what is wanted.
func typeRecipe(t *testing.T, command, file, want string) string {
	t.Helper()
	args := shellWord.FindAllString(command, -1)
	for i, w := range args {
		args[i] = strings.Trim(w, `"'`)
	}
	switch args[0] {
	case "check", "read":
		args = append(args, "-c", file)
	case "scan":
		args = append(args, "--unit", "1-2", "--timeout", "10s")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shown := &until{want: want, found: cancel}
	if args[0] != "sniff" {
		shown.found = func() {}
	}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(shown)
	root.SetErr(shown)
	err := root.ExecuteContext(ctx)
	out := shown.String()
	if err != nil && ctx.Err() == nil {
		t.Errorf("sensorgate %s: %v", command, err)
	}
	return out
}

// until is the output of a command, and says when what is wanted was found in it.
type until struct {
	bytes.Buffer
	want  string
	found func()
}

func (u *until) Write(b []byte) (int, error) {
	n, err := u.Buffer.Write(b)
	if strings.Contains(u.String(), u.want) {
		u.found()
	}
	return n, err
}
