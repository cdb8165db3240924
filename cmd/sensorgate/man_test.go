package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestManPageKeepsRequestsAndHyphens(t *testing.T) {
	cmd := &cobra.Command{Use: "tool FILE", Short: "cuts -- and pastes", Long: "first\n\n.hidden is a dot\nback\\slash 5 °C", Run: func(*cobra.Command, []string) {}}
	cmd.Flags().StringP("out-file", "o", "a-b", "write to `FILE`")
	page := manPage(cmd)
	for _, want := range []string{
		`tool \- cuts \-\- and pastes`,
		"first\n.PP\n\\&.hidden is a dot\nback\\eslash 5 \\[u00B0]C",
		`.B \-o, \-\-out\-file FILE`,
		`write to FILE (default a\-b)`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page lacks %q:\n%s", want, page)
		}
	}
}

// Every visible command has a page, and man itself finds nothing wrong with it.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRoot()
	if err := writeManPages(root, dir); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range root.Commands() {
		_, err := os.Stat(filepath.Join(dir, "sensorgate-"+cmd.Name()+".1"))
		if got := err == nil; got != cmd.IsAvailableCommand() {
			t.Errorf("%s: page is there: %v, want %v", cmd.Name(), got, cmd.IsAvailableCommand())
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("pages not rendered: no groff here")
		return
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "*.1"))
	out, err := exec.Command(groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, pages...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
