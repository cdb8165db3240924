package history

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Environment of the child that is killed.
const envKillDir, envKillFrom = "HISTORY_KILL_DIR", "HISTORY_KILL_FROM"

// killEvery is how far apart its values are: two hours, after which minutes are made, are
// twelve frames.
const killEvery = 30 * time.Second

// kill -9 at any moment, on a real disk: the store opens, what was written before is there,
// nothing is there twice, and it goes on.
func TestKilledStoreKeepsWhatWasWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("starts programs")
	}
	dir, next := t.TempDir(), 0
	for kill := range 12 {
		written := killed(t, dir, next, 1+rand.IntN(30))
		s := openStore(t, Options{Dir: dir})
		var out bytes.Buffer
		if err := s.Export(&out, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		n := consecutive(t, &out)
		if n < written {
			t.Fatalf("kill %d: %d values are there, %d had been written", kill, n, written)
		}
		next = n
	}
	if next < 12*20 {
		t.Errorf("only %d values were written", next)
	}
}

// consecutive returns how many single values an export has: 0, 1, 2 … without a hole.
func consecutive(t *testing.T, export *bytes.Buffer) (n int) {
	t.Helper()
	rows, err := csv.NewReader(export).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if row[1] != "d/a" || row[2] != "0" {
			t.Fatalf("%v is in the export", row)
		}
		if row[3] != strconv.Itoa(n) || row[0] != timeText(epoch.Add(time.Duration(n)*killEvery).UnixMilli()) {
			t.Fatalf("after %d values comes %v", n, row)
		}
		n++
	}
	return n
}

// killed runs a child that writes, kills it when it has reported a number of frames, and
// returns how many values were on the disk by then.
func killed(t *testing.T, dir string, from, frames int) (written int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriteUntilKilled$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), envKillDir+"="+dir, envKillFrom+"="+strconv.Itoa(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	written = from
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); {
		if written, err = strconv.Atoi(lines.Text()); err != nil {
			t.Errorf("the child says %q", lines.Text())
		}
		if n++; n == frames { // what it reports until it is gone counts, too
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // killed
	if written == from {
		t.Fatal("the child wrote nothing")
	}
	return written
}

// TestWriteUntilKilled is the child: it adds, writes, makes minutes, and says after each frame
// how many values are on the disk.
func TestWriteUntilKilled(t *testing.T) {
	dir := os.Getenv(envKillDir)
	if dir == "" {
		t.Skip("is started by TestKilledStoreKeepsWhatWasWritten")
	}
	n, err := strconv.Atoi(os.Getenv(envKillFrom))
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Options{Dir: dir})
	for n < 100_000 {
		for range 20 {
			s.Add("d/a", Number, epoch.Add(time.Duration(n)*killEvery), Value{Number: float64(n)})
			n++
		}
		s.flush()
		if s.Stats().Problem != nil {
			t.Fatal(s.Stats().Problem)
		}
		fmt.Println(n)
		s.roll(epoch.Add(time.Duration(n) * killEvery))
	}
}
