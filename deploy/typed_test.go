package deploy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// boxedCommand is a line of a grey box that begins with a command of ours.
var boxedCommand = regexp.MustCompile(`^(?:sudo )?(sensorgate [a-z].*)$`)

// boxedCommands are the commands of ours in the boxes of a page, without what is explained beside them.
func boxedCommands(t *testing.T, page string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile("../" + page)
	if err != nil {
		t.Fatal(err)
	}
	inBox := false
	for line := range strings.Lines(string(text)) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") {
			inBox = !inBox
			continue
		}
		if m := boxedCommand.FindStringSubmatch(trimmed); m != nil && (inBox || strings.HasPrefix(line, "    ")) {
			command, _, _ := strings.Cut(m[1], "  ") // beside it is what it does
			command, _, _ = strings.Cut(command, " && ")
			if !strings.HasPrefix(command, "sensorgate v") { // what status prints
				commands = append(commands, command)
			}
		}
	}
	return commands
}

// typedElsewhere are pages, or sections of one, whose commands another test types as they stand.
var typedElsewhere = []string{
	"docs/first-hour.md: sensorgate (check -c|topics|run|sub|status)", // TestFirstHourIsTrue
	"docs/not-listed.md: ", // TestNotListedPageIsFollowed in cmd/sensorgate
	"docs/recipes.md: sensorgate (check|read|sniff|scan modbus|model list)",                             // TestRecipesForMeters there
	"docs/adding-a-driver.md: |docs/ARCHITECTURE.md: |docs/board.md: |docs/benchmarks.md: sensorgate b", // measurements, and for developers
}

// seenOf is what must be seen of a command that is typed here, by its beginning. Those that end with … go on until
// they are stopped, when it was seen.
var seenOf = []struct{ begins, want string }{
	{"sensorgate simulate model…", "model = "}, {"sensorgate sniff /dev…", "2F "}, {"sensorgate sniff --config…", "energy"}, {"sensorgate record…", "recorded"},
	{"sensorgate replay…", "/meter"}, {"sensorgate sub…", "barn-pi/attic/temperature {"},
	{"sensorgate scan", "sensorgate add"}, {"sensorgate doctor", "the configuration is in order"}, {"sensorgate check", "ok: node barn-pi"},
	{"sensorgate history --all", ""}, {"sensorgate history meter", ""}, {"sensorgate history attic", "attic/temperature in °C"}, {"sensorgate history", "single values"},
	{"sensorgate discovery list", "TOPIC"}, {"sensorgate discovery clean", ""}, {"sensorgate passwd add", "added"}, {"sensorgate passwd token", "sg_"},
	{"sensorgate backup", "barn-pi"}, {"sensorgate restore", "node barn-pi"},
}

// printed is what a command that goes on has printed so far.
type printed struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// desk is a gateway, and what the commands of the pages are typed beside.
type desk struct {
	dir, file string
	stop      func() // ends the gateway
	words     *strings.Replacer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	dir, err := os.MkdirTemp("", "desk") // short: names of ports are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := strconv.Itoa(freeport.Port(t))
	d := &desk{dir: dir, file: filepath.Join(dir, "etc/sensorgate.toml")}
	if err := os.Mkdir(filepath.Dir(d.file), 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("node = \"barn-pi\"\ndata = %q\nbroker.listen = [\"tcp://127.0.0.1:%s\"]\n[homeassistant]\n[homie]\nversion = 4\n", filepath.Join(dir, "store"), port) +
		"[device.attic]\ndriver = \"sim\"\nevery = \"200ms\"\nchannels.temperature = { shape = \"sine\", unit = \"°C\" }\n" +
		"[device.meter]\ndriver = \"sim\"\nevery = \"200ms\"\nchannels.energy = { shape = \"counter\", unit = \"kWh\", kind = \"total\" }\n"
	for name, text := range map[string]string{"etc/sensorgate.toml": text, "FILE": fmt.Sprintf("data = \"\"\n[device.scale]\nmodel = \"dsmr/p1\"\nserial = { port = %q }\n", dir+"/p1")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.stop = startGateway(t, program(t), d.file, port)
	one(t, port, "barn-pi/meter/energy")
	d.words = strings.NewReplacer("/etc/sensorgate/", dir+"/etc/", "/media/usb/", dir+"/", "/tmp/", dir+"/", "/dev/ttyUSB0", dir+"/p1", "FILE", dir+"/FILE", "sensorgate ", program(t)+" ",
		"mqtt://homeassistant.local", "mqtt://127.0.0.1:"+port, "mqtt://mqtt.example.com", "mqtt://127.0.0.1:"+port)
	return d
}

// shell is a command of a page as it is typed here: to the gateway of the desk, for which the pages need no flag.
func (d *desk) shell(command string) string {
	line := d.words.Replace(command)
	for word, flag := range map[string]string{"sub": "--config", "history": "-c", "check": "-c", "doctor": "-c", "discovery": "-c", "backup": "-c", "restore": "-c"} {
		if strings.HasPrefix(command, "sensorgate "+word) {
			typed, to, redirected := strings.Cut(line, ">")
			if line = typed + " " + flag + " " + d.file; redirected {
				line += " >" + to
			}
		}
	}
	return line
}

// typed runs a command until it ends, or, if it goes on by itself, until want was seen.
func (d *desk) typed(t *testing.T, command, want string, goesOn bool) {
	t.Helper()
	simulated := strings.HasPrefix(command, "sensorgate simulate") // goes on: others look at it
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	if simulated {
		t.Cleanup(cancel)
	} else {
		defer cancel()
	}
	out := &printed{}
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+d.shell(command))
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Stdin = d.dir, out, out, strings.NewReader("hush\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	recording := strings.HasPrefix(command, "sensorgate record")
	for goesOn {
		seen := strings.Contains(out.String(), want)
		if info, err := os.Stat(filepath.Join(d.dir, "site.rec")); recording && err == nil && info.Size() > 0 {
			seen = true
		}
		if seen {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("%s ends by itself: %v\n%s", command, err, out)
		case <-ctx.Done():
			t.Fatalf("%s: no %q in\n%s", command, want, out)
		case <-time.After(20 * time.Millisecond): // another program prints
		}
	}
	switch {
	case simulated:
		t.Cleanup(func() { cancel(); <-ended })
		return
	case goesOn:
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	err := <-ended
	if !strings.Contains(out.String(), want) || err != nil && !strings.HasPrefix(command, "sensorgate doctor") {
		t.Errorf("%s: %v, want %q in\n%s", command, err, want, out)
	}
}

// Every command of ours in the boxes of the pages is typed by a test, here or where typedElsewhere says: not only
// read, but run, with a look at what comes of it.
func TestCommandsInBoxesAreTyped(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a program some twenty times")
	}
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	d, typed := newDesk(t), 0
	for _, page := range append(pages, "../README.md", "../SECURITY.md", "../deploy/grafana/README.md") {
		page = strings.TrimPrefix(page, "../")
	commands:
		for _, command := range boxedCommands(t, page) {
			for _, elsewhere := range typedElsewhere {
				if regexp.MustCompile("^(" + elsewhere + ")").MatchString(page + ": " + command) {
					continue commands
				}
			}
			for _, c := range seenOf {
				begins, goesOn := strings.CutSuffix(c.begins, "…")
				if strings.HasPrefix(command, begins) {
					if strings.HasPrefix(command, "sensorgate restore") {
						d.newCard(t)
					}
					typed++
					d.typed(t, command, c.want, goesOn)
					continue commands
				}
			}
			t.Errorf("%s: nobody types %q", page, command)
		}
	}
	if typed < 18 {
		t.Errorf("only %d commands were typed", typed)
	}
}

// newCard is what recipes.md does before a restore: the gateway is stopped, and the card is another one.
func (d *desk) newCard(t *testing.T) {
	t.Helper()
	d.stop()
	for _, lost := range []string{d.file, filepath.Join(d.dir, "store")} {
		if err := os.RemoveAll(lost); err != nil {
			t.Fatal(err)
		}
	}
}
