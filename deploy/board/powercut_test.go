package board

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sensorgate/deploy/board/crash"
	"sensorgate/internal/journal"
)

const (
	cuts      = 40
	meterLine = 4
	commit    = time.Second // journal.commit of the configuration below

	// allowed is what a cut may cost: journal.commit, the counter's own tenth of a
	// second, and what an emulated guest on a busy host needs for the way to its disk.
	allowed = commit + 100*time.Millisecond + 1500*time.Millisecond
)

const meterConfig = `node = "cut"
data = "/data/journal"
[broker]
listen = ["unix:///tmp/broker.sock"]
[journal]
commit = "1s"
size = "16MiB"
keep_free = "1MiB"
[device.water]
driver    = "pulse"
gpio      = "EXT4"
edge      = "falling"
debounce  = "0s"
per_pulse = "1 L"
`

// moment is how many pulses had been made when the disk's log had a size.
type moment struct {
	at     time.Time
	pulses uint64
	log    int64
}

// The power goes at 40 random operations of the disk while a water meter turns. On
// what is left the total is never more than the meter had turned, and not less than it
// had turned the allowed time before.
func TestPulseTotalSurvivesPowerCuts(t *testing.T) {
	m := start(t, Config{Program: build(t, "sensorgate/cmd/sensorgate"), DataMB: 64,
		Args: []string{"run", "--config", "/t/sensorgate.toml"}, Files: []string{writeFile(t, "sensorgate.toml", meterConfig)}})
	history := turnMeter(t, m, 12*time.Second)
	m.PowerCut()
	log, err := crash.ReadLog(m.DataLog())
	if err != nil {
		t.Fatal(err)
	}
	last := history[len(history)-1]
	t.Logf("%d pulses in %v, %d operations of the disk", last.pulses, last.at.Sub(history[0].at).Round(time.Millisecond), len(log))
	if last.pulses < 50 {
		t.Fatalf("only %d pulses were made", last.pulses)
	}
	image := filepath.Join(m.Dir, "crash.img")
	worst := time.Duration(0)
	for i := range cuts {
		at, mode := rand.IntN(len(log)), crash.Mode(i%crash.Modes)
		if i == 0 {
			at = len(log) - 1
		}
		if err := crash.Image(m.DataStart(), image, log, crash.Cut{At: at + 1, Mode: mode, Seed: uint64(i)}); err != nil {
			t.Fatal(err)
		}
		got := storedPulses(t, image)
		most, atLeast := bounds(history, log[at].End)
		if got > most {
			t.Errorf("cut after operation %d of %d, mode %d: the total is %d, the meter had turned %d", at+1, len(log), mode, got, most)
		}
		if got < atLeast {
			t.Errorf("cut after operation %d of %d, mode %d: the total is %d, want at least %d", at+1, len(log), mode, got, atLeast)
		}
		worst = max(worst, cost(history, log[at].End, got))
	}
	t.Logf("the worst of %d cuts cost the pulses of %v (allowed are %v)", cuts, worst.Round(time.Millisecond), allowed)
}

// turnMeter makes pulses of random length and notes how far the disk was.
func turnMeter(t *testing.T, m *Machine, d time.Duration) (history []moment) {
	t.Helper()
	for deadline := time.Now().Add(bootLimit); !m.Hardware.GPIO.Watched(meterLine); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the gateway does not watch its meter\n%s", m.KernelLog(2000))
		}
	}
	set := func(high bool) {
		m.Hardware.GPIO.Set(meterLine, high)
		if _, err := m.Ctl("gpio settle %d", meterLine); err != nil {
			t.Fatal(err)
		}
	}
	set(true)
	var pulses uint64
	note := func() {
		// The log's size before the time and the count would make a pulse seem to have been
		// counted before it was made.
		info, err := os.Stat(m.DataLog())
		if err != nil {
			t.Fatal(err)
		}
		history = append(history, moment{time.Now(), pulses, info.Size()})
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		pulses++ // counted as made before the guest can see it
		set(false)
		note()
		set(true)
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
		note()
	}
	return history
}

// bounds returns how many pulses had been made when the log reached a size: at most, and
// the allowed time before.
func bounds(history []moment, logEnd int64) (most, atLeast uint64) {
	cut := cutAt(history, logEnd)
	for _, h := range history {
		if h.at.Before(cut.at.Add(-allowed)) {
			atLeast = h.pulses
		}
	}
	return cut.pulses, atLeast
}

// cutAt is the first moment at which the log was known to have reached the size.
func cutAt(history []moment, logEnd int64) moment {
	for _, h := range history {
		if h.log >= logEnd {
			return h
		}
	}
	return history[len(history)-1]
}

// cost is how long before the cut the pulse came that was the last to survive.
func cost(history []moment, logEnd int64, got uint64) time.Duration {
	cut := cutAt(history, logEnd)
	for _, h := range history {
		if h.pulses > got {
			return max(0, cut.at.Sub(h.at))
		}
	}
	return 0
}

// storedPulses reads the total as the gateway would at its next start.
func storedPulses(t *testing.T, image string) uint64 {
	t.Helper()
	dir := t.TempDir()
	if err := crash.Extract(image, dir); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), Size: 16 << 20, FreeFloor: 1})
	if err != nil {
		t.Fatalf("the journal does not open: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Run closes the store at once
	defer func() { _ = j.Run(ctx) }()
	b, ok := j.Get("device/water/total")
	if !ok {
		return 0
	}
	var total struct{ Pulses uint64 }
	if err := json.Unmarshal(b, &total); err != nil {
		t.Fatalf("the stored total is %q: %v", b, err)
	}
	return total.Pulses
}

// start makes a machine and switches it on; it skips where there is none.
func start(t *testing.T, c Config) *Machine {
	t.Helper()
	if os.Getenv("BOARD") == "" {
		t.Skip("boots a virtual machine: make board-test")
	}
	if err := Ready("amd64"); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "board") // short: it holds UNIX sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m, err := New(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := m.Boot(); err != nil {
		t.Fatal(err)
	}
	return m
}

// build makes a static binary of a package.
func build(t *testing.T, pkg string) string {
	t.Helper()
	if os.Getenv("BOARD") == "" {
		t.Skip("boots a virtual machine: make board-test")
	}
	out := filepath.Join(t.TempDir(), "prog")
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, b)
	}
	return out
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheSmallMachineExecutesCommands(t *testing.T) {
	m := start(t, Config{})
	t.Logf("it answered after %v", m.BootTime.Round(time.Millisecond))
	out, status, err := m.Run("echo hello; exit 3")
	if err != nil || status != 3 || out != "hello" {
		t.Errorf("got %q, %d, %v", out, status, err)
	}
	if _, err := m.Ctl("no such command"); err == nil {
		t.Error("an unknown command was taken")
	}
	if err := m.PowerOff(); err != nil {
		t.Error(err)
	}
	if err := m.Boot(); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	if out, _, err := m.Run("ls /dev/gpiochip* | wc -l"); err != nil || out != "2" {
		t.Errorf("%s GPIO chips after the second start, %v", out, err)
	}
}
