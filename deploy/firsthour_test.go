package deploy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// fence is a block of docs/first-hour.md: ```sh is typed, ```toml NAME is a file,
// ```text is what must be seen of the block before it.
var fence = regexp.MustCompile("(?ms)^```(\\w+) ?(\\S*)\n(.*?)^```$")

// The first hour as the page describes it, typed literally into one shell.
func TestFirstHourIsTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel() // it mostly waits
	tool(t, "mosquitto")
	tool(t, "mosquitto_sub")
	lookAtSources(t)
	page, err := os.ReadFile("../docs/first-hour.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ports := strings.NewReplacer("1883", strconv.Itoa(freeport.Port(t)), "1884", strconv.Itoa(freeport.Port(t)))
	script, expected := "", []string{}
	for i, block := range fence.FindAllStringSubmatch(string(page), -1) {
		kind, name, text := block[1], block[2], ports.Replace(block[3])
		switch kind {
		case "toml":
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		case "sh":
			script += fmt.Sprintf("exec >out%d 2>&1\n%s", len(expected), withPort(text, ports))
			expected = append(expected, "")
		case "text":
			expected[len(expected)-1] = text
		default:
			t.Errorf("block %d: nobody types a block of kind %q", i, kind)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	// One group for all that the script starts: nothing outlives the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("%v\n%s", err, out)
	}
	for i, want := range expected {
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(want) {
			if !pattern(line).Match(got) {
				t.Errorf("box %d: not seen: %sbut\n%s", i+1, line, got)
			}
		}
	}
	afterTheCut(t, dir, len(expected)-2)
	if t.Failed() {
		log, _ := os.ReadFile(filepath.Join(dir, "run.log"))
		t.Logf("the gateway's log:\n%s", log)
	}
}

// withPort names to the clients of the program the port that was meant by the default.
func withPort(text string, ports *strings.Replacer) string {
	return strings.ReplaceAll(text, "sensorgate sub ", "sensorgate sub -p "+ports.Replace("1883")+" ")
}

// pattern makes an expression of an expected line: digits are any digits, … is
// anything, spaces any number of them.
func pattern(line string) *regexp.Regexp {
	p := regexp.QuoteMeta(strings.TrimSpace(line))
	p = regexp.MustCompile(`\d+`).ReplaceAllString(p, `[0-9]+`)
	p = strings.ReplaceAll(p, "…", ".*")
	return regexp.MustCompile(regexp.MustCompile(` +`).ReplaceAllString(p, ` +`))
}

// afterTheCut checks what the page promises about the times of the values that came after
// the cut: some are from before it.
func afterTheCut(t *testing.T, dir string, box int) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("out%d", box)))
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`"time":"([^"]+)"`).FindAllSubmatch(got, -1)
	cut, err := os.Stat(filepath.Join(dir, fmt.Sprintf("out%d", box-1))) // written at the cut
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for _, m := range times {
		if string(m[1]) < cut.ModTime().UTC().Format("2006-01-02T15:04:05.000Z") {
			late++
		}
	}
	if len(times) != 12 || late == 0 {
		t.Errorf("of %d values after the cut %d were from before it, want 12 and some\n%s", len(times), late, got)
	}
}
