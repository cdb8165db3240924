package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tomlBlock is a fenced block of TOML in a page; what stands behind "toml" says what it is
// not: "toml part" is the inside of a table.
var tomlBlock = regexp.MustCompile("(?ms)^```toml *(\\S*)\\n(.*?)^```$")

// What is shipped is in the shape that `fmt` makes: whoever formats his copy sees his own changes only.
func TestShippedFilesAreInTheUsualShape(t *testing.T) {
	binary := program(t)
	shipped, err := filepath.Glob("../configs/*.toml")
	if err != nil || len(shipped) < 5 {
		t.Fatalf("%d files, %v", len(shipped), err)
	}
	run(t, binary, append([]string{"fmt", "--check", "sensorgate.toml"}, shipped...)...)
}

// Every block of TOML in the pages is what `check` accepts: it can be pasted as it stands.
func TestEveryBlockOfTOMLInTheDocsLoads(t *testing.T) {
	dir := t.TempDir()
	binary := program(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range tomlBlock.FindAllStringSubmatch(string(text), -1) {
			if m[1] == "part" {
				continue
			}
			blocks++
			file := filepath.Join(dir, "s.toml")
			// Files that a block names are the reader's own.
			content := strings.NewReplacer("/etc/sensorgate/", dir+"/").Replace(m[2])
			for _, named := range regexp.MustCompile(regexp.QuoteMeta(dir)+`/[\w.-]+`).FindAllString(content, -1) {
				if err := os.WriteFile(named, []byte("x\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasPrefix(content, "title") { // a model, and a device that has it
				if err := os.MkdirAll(filepath.Join(dir, "models/own"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "models/own/device.toml"), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				content = "[device.d]\nmodel = \"own/device\"\nserial = { port = \"/dev/ttyUSB0\" }\n"
			}
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(binary, "check", file).CombinedOutput(); err != nil {
				t.Errorf("%s, block %d is refused:\n%s\n%s", filepath.Base(page), i+1, m[2], out)
			}
		}
	}
	if blocks < 20 {
		t.Errorf("found only %d blocks", blocks)
	}
}
