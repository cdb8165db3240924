package toml

import (
	"strings"
	"testing"
)

// A key that has got another name is read under the old one as well, and the user
// learns the new one; beside the new one it is a mistake.
func TestRetiredKeyIsReadWithAWarning(t *testing.T) {
	type options struct {
		KeepFree Size `toml:"keep_free" was:"free_floor" required:"true"`
	}
	load := func(text string) (options, *Reporter) {
		var r Reporter
		root, ok := r.Parse(&Source{Name: "f.toml", Text: text})
		if !ok {
			t.Fatal(r.Problems)
		}
		var o options
		r.Table(root, &o)
		return o, &r
	}
	o, r := load("free_floor = \"64MiB\"\n")
	if o.KeepFree != 64<<20 || len(r.Problems) != 1 || !r.Problems[0].Warning || r.Problems[0].Path != "free_floor" {
		t.Errorf("read %d with %v, want 64 MiB and one warning", o.KeepFree, r.Problems)
	}
	var b strings.Builder
	r.Problems.WriteText(&b, false)
	for _, want := range []string{"free_floor is now called keep_free", `keep_free = "64MiB"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("a user reads:\n%s\nwant %q in it", b.String(), want)
		}
	}
	if _, r := load("free_floor = \"1MiB\"\nkeep_free = \"2MiB\"\n"); !r.Problems.Errors() {
		t.Errorf("both names at once: %v, want an error", r.Problems)
	}
}
