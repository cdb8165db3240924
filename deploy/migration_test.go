package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// foreign are the programs of the table in docs/migration.md, and their part of the pairs in
// configs/migration: the same thing said for them and for us.
var foreign = map[string]string{"mosquitto": "mosquitto.conf", "mqtt-io": "mqtt-io.yml", "mbmd": "mbmd.yaml", "Telegraf `inputs.modbus`": "telegraf.conf"}

var (
	snippet  = regexp.MustCompile("`([^`]+)`")
	assigned = regexp.MustCompile(`([a-z_]+) *=`)
	bareWord = regexp.MustCompile(`^[a-z_]+$`)
)

// Each row of the table is in a pair of files: the word of theirs in the one, the key of
// ours in the other, which is taken as it stands.
func TestMigrationTableIsInPairsOfFiles(t *testing.T) {
	binary := program(t)
	page, err := os.ReadFile("../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## From other programs\n")
	table, _, _ = strings.Cut(table, "\n## ")
	from, rows := "", 0
	seen := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| from") || strings.HasPrefix(line, "|---") {
			continue
		}
		if name := strings.TrimSpace(cells[0]); name != "" {
			from = name
		}
		if from == "mosquitto_passwd" {
			continue // no file: cmd/sensorgate/passwd_test.go types it
		}
		theirs, err := os.ReadFile(filepath.Join("../configs/migration", foreign[from]))
		if err != nil {
			t.Fatalf("the row %s: %v", strings.TrimSpace(line), err)
		}
		stem, _, _ := strings.Cut(foreign[from], ".")
		seen[stem] = true
		ours, err := os.ReadFile(filepath.Join("../configs/migration", stem+".toml"))
		if err != nil {
			t.Fatal(err)
		}
		rows++
		for _, m := range snippet.FindAllStringSubmatch(cells[1], -1) {
			if word := theirWord(m[1]); !strings.Contains(string(theirs), word) {
				t.Errorf("%s does not have %q", foreign[from], word)
			}
		}
		for _, key := range ourKeys(cells[2]) {
			if !regexp.MustCompile(`\b` + key + `\b *=`).Match(ours) {
				t.Errorf("%s.toml does not have %s", stem, key)
			}
		}
	}
	if rows < 15 || len(seen) != len(foreign) {
		t.Errorf("%d rows of %v", rows, seen)
	}
	for stem := range seen {
		text := ownFiles(t, filepath.Join("../configs/migration", stem+".toml"))
		run(t, binary, "check", text)
		run(t, binary, "fmt", "--check", filepath.Join("../configs/migration", stem+".toml"))
	}
}

// theirWord is what of a cell stands in their file: a flag or a key with its value as it is, the last name of a
// path, the key in front of a place holder.
func theirWord(text string) string {
	word, _, _ := strings.Cut(text, " PATTERN")
	word, _, _ = strings.Cut(word, " NAME")
	return word[strings.LastIndex(word, ".")+1:]
}

// ourKeys are the keys that a cell names.
func ourKeys(cell string) (keys []string) {
	for _, m := range snippet.FindAllStringSubmatch(cell, -1) {
		for _, k := range assigned.FindAllStringSubmatch(m[1], -1) {
			keys = append(keys, k[1])
		}
		text := strings.TrimSpace(m[1][strings.Index(m[1], "]")+1:])
		if bareWord.MatchString(text) {
			keys = append(keys, text)
		}
	}
	return keys
}

// ownFiles is a copy of a configuration whose files are there.
func ownFiles(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	content := strings.NewReplacer("/etc/sensorgate/", dir+"/", "/var/lib/sensorgate", dir+"/store").Replace(string(text))
	for _, named := range regexp.MustCompile(regexp.QuoteMeta(dir)+`/[\w.-]+`).FindAllString(content, -1) {
		if !strings.HasSuffix(named, "/store") {
			if err := os.WriteFile(named, []byte("x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
