package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/timing"
)

var (
	seeds   = flag.Int("sim.seeds", 0, "how many seeds are played; 0: as many as fit into -sim.time")
	first   = flag.Uint64("sim.first", 1, "the first seed")
	budget  = flag.Duration("sim.time", 0, "how long seeds are played")
	replay  = flag.String("sim.script", "", "a file with a script to play")
	times   = flag.Int("sim.times", 10, "how often a script is played by TestReplay")
	brief   = flag.Bool("sim.brief", false, "only name the seeds that fail, and their first fault")
	without = flag.String("sim.without", "", "what is left out: many-ids,connect-clean")
	segment = flag.Int64("sim.segment", 0, "size of the journal's segments, instead of what the seed chooses")
	size    = flag.Int64("sim.size", 0, "size of the journal, with -sim.segment")
	verbose = flag.Bool("sim.v", false, "log what happens")
	keep    = flag.String("sim.keep", "", "a directory for what happened in runs that failed, with all that the gateway logged")
	shrinks = flag.Duration("sim.shrink", 20*time.Second, "how long a shorter script is looked for")
)

// TestSeeds plays seeds: without flags always the same, with a journal that has room, for half a minute on two processors.
// A failing one is made shorter and printed as a script to replay.
func TestSeeds(t *testing.T) {
	if *seeds == 0 && *budget == 0 {
		*seeds, *without, *segment, *size = 200, "many-ids", 256<<10, 64<<20
		if timing.Race || runtime.GOARCH == "arm" {
			*seeds = 25
		}
	}
	began := time.Now()
	n := *first
	for ; *seeds > 0 && n < *first+uint64(*seeds) || *seeds == 0 && time.Since(began) < *budget; n++ {
		s := makeScript(n, strings.Split(*without, ","))
		if *segment > 0 {
			s.Segment, s.Size = *segment, *size
		}
		// In a bubble a goroutine that never rests holds up the time for all. (On a busy machine seeds have taken a minute.)
		hang := time.AfterFunc(10*time.Minute, func() { panic(fmt.Sprintf("seed %d does not end:\n%s", n, s)) })
		faults, events := play(t, s)
		hang.Stop()
		if len(faults) == 0 {
			continue
		}
		keepRun(t, s, faults, events)
		if *brief {
			t.Errorf("seed %d: %s", n, faults[0])
			continue
		}
		report(t, n, s, faults, events)
	}
	t.Logf("%d seeds in %v", n-*first, time.Since(began).Round(time.Second))
}

// keepRun writes a run that failed into a file of -sim.keep.
func keepRun(t *testing.T, s script, faults, events []string) {
	if *keep == "" {
		return
	}
	text := fmt.Sprintf("%s\n%s\n\n%s\n", s, strings.Join(faults, "\n"), strings.Join(events, "\n"))
	if err := os.WriteFile(filepath.Join(*keep, fmt.Sprintf("seed-%d.log", s.Seed)), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, seed uint64, s script, faults, events []string) {
	again := 0
	for range 5 {
		if f, _ := play(t, s); len(f) > 0 {
			again++
		}
	}
	short := shrink(t, s, kind(faults[0]))
	t.Errorf("seed %d, which failed %d of 5 times again:\n  %s\n%s", seed, again, strings.Join(faults, "\n  "), short)
	if *verbose {
		t.Log(strings.Join(events, "\n"))
	}
}

// kind is what a fault is about, without names and numbers.
func kind(fault string) string {
	for _, k := range []string{"doubled", "back from the dead", "out of order", "paid for others", "session", "lost", "ended by itself", "open", "permission", "wait for the upstream", "malformed", "stuck", "retained", "clock"} {
		if strings.Contains(fault, k) {
			return k
		}
	}
	return fault
}

// shrink leaves out events as long as the script still breaks the same promise in one of three plays.
func shrink(t *testing.T, s script, of string) script {
	fails := func(s script) bool {
		for range 3 {
			f, _ := play(t, s)
			for _, x := range f {
				if kind(x) == of {
					return true
				}
			}
		}
		return false
	}
	until := time.Now().Add(*shrinks)
	for size := len(s.Events) / 2; size > 0; size /= 2 {
		for at := 0; at < len(s.Events) && time.Now().Before(until); {
			less := s
			less.Events = append(append([]event{}, s.Events[:at]...), s.Events[min(at+size, len(s.Events)):]...)
			if fails(less) {
				s = less
			} else {
				at += size
			}
		}
	}
	return s
}

// TestReplay plays one script, and says how often it breaks a promise.
func TestReplay(t *testing.T) {
	if *replay == "" {
		t.Skip("give -sim.script=FILE")
	}
	text, err := os.ReadFile(*replay)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseScript(string(text))
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range *times {
		faults, events := play(t, s)
		if len(faults) > 0 {
			failed++
			keepRun(t, s, faults, events)
			t.Log(strings.Join(faults, "\n"))
			if *verbose {
				t.Log(strings.Join(events, "\n"))
			}
		}
	}
	if failed > 0 {
		t.Errorf("failed %d of %d times", failed, *times)
	}
}

func TestScriptsAreReadAsTheyWereWritten(t *testing.T) {
	for seed := range uint64(20) {
		s := makeScript(seed, nil)
		back, err := parseScript(s.String())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(back), fmt.Sprint(s); got != want {
			t.Errorf("wrote\n%s\nread\n%s", want, got)
		}
	}
}

// TestScriptsThatFailedOnce plays the scripts of defects that were found: each broke a promise on the code of its time, in
// three to ten of ten plays.
func TestScriptsThatFailedOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".script"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parseScript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			plays := 10
			if timing.Race {
				plays = 3
			}
			for range plays {
				if faults, _ := play(t, s); len(faults) > 0 {
					t.Fatal(strings.Join(faults, "\n"))
				}
			}
		})
	}
}
