package rules

import (
	"os/exec"
	"strings"
	"testing"
)

const architecture = "docs/ARCHITECTURE.md"

// The map has a row for each package and no row for what is gone.
func TestArchitectureListsEveryPackage(t *testing.T) {
	out, err := exec.Command("go", "list", "sensorgate/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(section(t, read(t, architecture), "## Packages")) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") {
			rows[name] = true
		}
	}
	for _, p := range strings.Fields(string(out)) {
		p = strings.TrimPrefix(p, "sensorgate/")
		if !rows[p] {
			t.Errorf("%s has no row for package %s: one sentence what it is for", architecture, p)
		}
		delete(rows, p)
	}
	for p := range rows {
		t.Errorf("%s has a row for %s, which is no package of this module", architecture, p)
	}
}

// section returns what stands between a heading and the next one of its rank.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, heading+"\n")
	if !ok {
		t.Fatalf("no heading %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}
