package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// discovered is a gateway whose upstream is the broker of a Home Assistant.
type discovered struct {
	t        *testing.T
	file     string
	upstream int
	own      int
	data     string
	program  *process
}

func (d *discovered) write(toml string) {
	d.t.Helper()
	text := fmt.Sprintf("node = \"barn\"\ndata = %q\n[broker]\nlisten = [\"tcp://127.0.0.1:%d\"]\n[bridge.ha]\nurls = [\"mqtt://127.0.0.1:%d\"]\nprefix = \"sites/42/\"\nrules = [ { dir = \"in\", local = \"x\" } ]\n%s", d.data, d.own, d.upstream, toml)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *discovered) start() {
	d.t.Helper()
	d.program = start(d.t, binary, "run", "--config", d.file)
	d.program.waitFor("broker ready", 60*time.Second)
}

// wanted is what the file yields.
func (d *discovered) wanted() []string {
	d.t.Helper()
	out, code := once(d.t, "topics", "--json", "--config", d.file)
	var topics []struct{ Topic, Use string }
	if err := json.Unmarshal([]byte(out), &topics); err != nil || code != 0 {
		d.t.Fatalf("topics: %v\n%s", err, out)
	}
	var want []string
	for _, t := range topics {
		if t.Use == "description" {
			want = append(want, t.Topic)
		}
	}
	slices.Sort(want)
	return want
}

// there is what a broker retains for Home Assistant of this gateway.
func (d *discovered) there(port int) []string {
	d.t.Helper()
	out, _ := once(d.t, "discovery", "list", "--json", "--config", d.file, "-L", fmt.Sprintf("mqtt://127.0.0.1:%d", port))
	var rows []struct{ Topic string }
	if json.Unmarshal([]byte(out), &rows) != nil {
		return []string{out}
	}
	topics := []string{}
	for _, r := range rows {
		topics = append(topics, r.Topic)
	}
	return topics
}

// settled waits until both brokers have exactly what the file yields.
func (d *discovered) settled(what string) {
	d.t.Helper()
	want, limit := d.wanted(), time.Now().Add(2*time.Minute)
	for {
		up, own := d.there(d.upstream), d.there(d.own)
		if slices.Equal(up, want) && slices.Equal(own, want) {
			return
		}
		if time.Now().After(limit) {
			d.t.Fatalf("%s: at the upstream\n%s\nhere\n%s\nwant\n%s", what, strings.Join(up, "\n"), strings.Join(own, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A real broker of a Home Assistant beside the real program: whatever is renamed, removed
// or added, while the broker is away or the gateway is killed, the retained topics are in
// the end exactly what the file yields.
func TestHomeAssistantHasExactlyWhatTheFileYields(t *testing.T) {
	d := &discovered{t: t, file: write(t, "sensorgate.toml", ""), upstream: freeport.Port(t), own: freeport.Port(t), data: t.TempDir()}
	store := t.TempDir()
	if err := os.Chmod(store, 0o777); err != nil {
		t.Fatal(err)
	}
	keeps := []string{"persistence true", "persistence_location " + store + "/", "autosave_interval 1"}
	home := mosquitto(t, d.upstream, keeps...)

	device := func(name, channel string) string {
		return fmt.Sprintf("[device.%s]\ndriver = \"sim\"\nevery = \"1s\"\nchannels.%s = { unit = \"W\" }\n", name, channel)
	}
	ha := "[homeassistant]\nbridges = [\"ha\"]\n"
	steps := []struct{ what, toml string }{
		{"two devices", ha + device("a", "power") + device("b", "power")},
		{"one renamed", ha + device("a", "power") + device("c", "power")},
		{"one removed, its channel renamed", ha + device("a", "watts")},
		{"the other form", strings.Replace(ha, "bridges", "form = \"single\"\nbridges", 1) + device("a", "watts") + device("d", "power")},
		{"back, and one added", ha + device("a", "power") + device("d", "power") + device("e", "power")},
		{"turned off", device("a", "power")},
	}
	d.write(steps[0].toml)
	d.start()
	d.settled(steps[0].what)
	for i, s := range steps[1:] {
		d.write(s.toml)
		d.program.cmd.Process.Signal(syscall.SIGHUP)
		// Killed at once, in the middle, and after most of it.
		time.Sleep(time.Duration(i) * 20 * time.Millisecond)
		d.program.stop(syscall.SIGKILL)
		d.start()
		d.settled(s.what + ", killed")
	}
	for _, s := range steps {
		home.stop(syscall.SIGTERM)
		d.write(s.toml)
		d.program.cmd.Process.Signal(syscall.SIGHUP)
		d.program.waitFor("configuration reloaded", time.Minute)
		d.program.stop(syscall.SIGKILL)
		d.start()
		home = mosquitto(t, d.upstream, keeps...)
		d.settled(s.what + ", the upstream away and the gateway killed")
	}
}
