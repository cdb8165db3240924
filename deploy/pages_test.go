package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sensorgate/internal/freeport"
)

// pages are all that people read, by their path from the top.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d pages, %v", len(paths), err)
	}
	texts := map[string]string{}
	for _, path := range append(paths, "../README.md", "../SECURITY.md", "../CONTRIBUTING.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(path, "../")] = string(text)
	}
	return texts
}

// The index has every page, and the README the index.
func TestEveryPageIsInTheIndex(t *testing.T) {
	texts := pages(t)
	for path := range texts {
		name := strings.TrimPrefix(path, "docs/")
		if name == path || name == "index.md" {
			continue
		}
		if !strings.Contains(texts["docs/index.md"], "("+name) {
			t.Errorf("docs/index.md does not have %s", name)
		}
	}
	if !strings.Contains(texts["README.md"], "(docs/index.md)") {
		t.Error("README.md does not link docs/index.md")
	}
}

var (
	linkTo  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.*)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	inCode  = regexp.MustCompile("`[^`\n]*`")
)

// anchors are the names under which a page's headings can be linked, as web sites that show
// Markdown make them.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ' || r == '-':
				b.WriteByte('-')
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
				b.WriteRune(r)
			}
		}
		names[b.String()] = true
	}
	return names
}

// Every link leads to a file, and to a heading in it where it names one.
func TestLinksInPagesLeadSomewhere(t *testing.T) {
	texts := pages(t)
	links := 0
	for path, text := range texts {
		for _, m := range linkTo.FindAllStringSubmatch(inCode.ReplaceAllString(fenced.ReplaceAllString(text, ""), ""), -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			links++
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			} else if anchor != "" && !anchors(texts[target])[anchor] {
				t.Errorf("%s links to %s: no such heading", path, m[1])
			}
		}
	}
	if links < 80 {
		t.Errorf("found only %d links", links)
	}
}

// What the broker publishes about itself is described, topic by topic.
func TestTopicsBelowSYSAreDescribed(t *testing.T) {
	t.Parallel()
	page := pages(t)["docs/topics.md"]
	port, file := strconv.Itoa(freeport.Port(t)), filepath.Join(t.TempDir(), "s.toml")
	if err := os.WriteFile(file, []byte("node = \"n\"\ndata = \"\"\nbroker.listen = [\"tcp://127.0.0.1:"+port+"\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	startGateway(t, program(t), file, port)
	seen := run(t, program(t), "sub", "-p", port, "-t", "$SYS/broker/#", "-F", "%t", "-C", "34", "-W", "60")
	for topic := range strings.Lines(seen) {
		if name := strings.TrimPrefix(strings.TrimSpace(topic), "$SYS/broker/"); !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/topics.md does not describe %s", name)
		}
	}
	if strings.Count(seen, "\n") < 34 {
		t.Errorf("only these came:\n%s", seen)
	}
}
