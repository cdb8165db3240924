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

// Every visible command has a page, and man itself finds nothing wrong with it; nor with that of the
// configuration.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	must(t, "", "man", dir)
	for _, cmd := range newRoot().Commands() {
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
	pages, err := filepath.Glob(filepath.Join(dir, "*.[15]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, terminal := range []string{"utf8", "ascii"} { // the second is that of a fresh system, whose locale is C
		out, err := exec.Command(groff, append([]string{"-man", "-T" + terminal, "-ww", "-z"}, pages...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("groff for %s: %v\n%s", terminal, err, out)
		}
	}
}

// What a terminal without UTF-8 lacks is spelled out and does not vanish.
func TestManPageOnATerminalWithoutUTF8(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("skipped: no groff here")
	}
	cmd := exec.Command(groff, "-man", "-Tascii", "-P-c")
	cmd.Stdin = strings.NewReader(manPage(&cobra.Command{Use: "tool", Short: "reads", Long: "FILE… at 5 °C → 3 m³, or ∞", Run: func(*cobra.Command, []string) {}}))
	out, err := cmd.Output()
	if want := "FILE... at 5 degC -> 3 m3, or infinity"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, want %q:\n%s", err, want, out)
	}
}
