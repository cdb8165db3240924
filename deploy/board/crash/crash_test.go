package crash

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// logFile writes a log as QEMU's blklogwrites does.
func logFile(t testing.TB, entries ...Entry) (path string, content []byte) {
	t.Helper()
	var b bytes.Buffer
	super := make([]byte, sector)
	binary.LittleEndian.PutUint64(super, superMagic)
	binary.LittleEndian.PutUint32(super[24:], sector)
	b.Write(super)
	for _, e := range entries {
		head := make([]byte, sector)
		binary.LittleEndian.PutUint64(head, e.Sector)
		binary.LittleEndian.PutUint64(head[8:], uint64(len(e.Data)/sector))
		binary.LittleEndian.PutUint64(head[16:], e.Flags)
		b.Write(head)
		b.Write(e.Data)
	}
	path = filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, b.Bytes()
}

func block(c byte) []byte { return bytes.Repeat([]byte{c}, sector) }

func TestWhatWasFlushedIsThereAndTheRestMayBe(t *testing.T) {
	path, _ := logFile(t,
		Entry{Sector: 0, Data: block('a')},
		Entry{Flags: Flush},
		Entry{Sector: 1, Data: block('b')},
		Entry{Sector: 2, Flags: FUA, Data: block('c')},
		Entry{Sector: 0, Data: block('d')},
	)
	log, err := ReadLog(path)
	if err != nil || len(log) != 5 {
		t.Fatalf("%d entries, %v", len(log), err)
	}
	start := filepath.Join(t.TempDir(), "start")
	if err := os.WriteFile(start, bytes.Repeat([]byte{'.'}, 4*sector), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		n    int
		mode Mode
		want string
	}{
		{0, KeepAll, "...."}, {1, LoseAll, "...."}, {1, KeepAll, "a..."}, {2, LoseAll, "a..."},
		{3, LoseAll, "a..."}, {4, LoseAll, "a.c."}, {5, LoseAll, "a.c."}, {5, KeepAll, "dbc."},
	} {
		out := filepath.Join(t.TempDir(), "out")
		if err := Image(start, out, log, Cut{At: c.n, Mode: c.mode, Seed: 1}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got := string([]byte{b[0], b[sector], b[2*sector], b[3*sector]})
		if got != c.want {
			t.Errorf("cut after %d, mode %d: %s, want %s", c.n, c.mode, got, c.want)
		}
	}
}

// Of writes that no flush followed everything is possible that a disk may do: any part of them, in any order, but
// nothing that was flushed, or written through, is undone.
func TestUnflushedWritesInAnyOrder(t *testing.T) {
	path, _ := logFile(t,
		Entry{Sector: 0, Data: append(block('a'), block('b')...)},
		Entry{Flags: Flush},
		Entry{Sector: 0, Data: append(block('c'), block('d')...)},
		Entry{Sector: 0, Data: append(block('e'), block('f')...)},
		Entry{Sector: 2, Data: block('g')},
		Entry{Sector: 2, Flags: FUA, Data: block('h')},
	)
	log, err := ReadLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := Unflushed(log, len(log)); n != 3 {
		t.Errorf("%d writes may be lost, want 3", n)
	}
	start := filepath.Join(t.TempDir(), "start")
	if err := os.WriteFile(start, bytes.Repeat([]byte{'.'}, 3*sector), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[Mode][]string{KeepWrites: {"abh", "cdh", "efh"}}
	for _, first := range "ace" {
		for _, second := range "bdf" {
			want[KeepSome] = append(want[KeepSome], string(first)+string(second)+"h")
		}
	}
	out := filepath.Join(t.TempDir(), "out")
	for mode, all := range want {
		seen := map[string]int{}
		for seed := range uint64(80) {
			if err := Image(start, out, log, Cut{At: len(log), Mode: mode, Seed: seed}); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			seen[string([]byte{b[0], b[sector], b[2*sector]})]++
		}
		for _, w := range all {
			if seen[w] == 0 {
				t.Errorf("mode %d: %s never came", mode, w)
			}
		}
		if len(seen) != len(all) {
			t.Errorf("mode %d: %v, want only %v", mode, seen, all)
		}
	}
}

func TestLogThatEndsAnywhere(t *testing.T) {
	_, whole := logFile(t, Entry{Sector: 0, Data: block('a')}, Entry{Flags: Flush}, Entry{Sector: 1, Data: append(block('b'), block('c')...)})
	for n := range len(whole) {
		log, err := parseLog(whole[:n])
		if (err != nil) != (n < sector) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		for _, e := range log {
			if e.End > int64(n) {
				t.Fatalf("%d bytes: an entry ends at %d", n, e.End)
			}
		}
	}
}

func FuzzReadLog(f *testing.F) {
	_, whole := logFile(f, Entry{Sector: 7, Data: block('a')}, Entry{Flags: Flush}, Entry{Sector: 1 << 60, Flags: Discard})
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := parseLog(b)
		if err != nil {
			return
		}
		for _, e := range log {
			if int(e.End) > len(b) || len(e.Data) > len(b) {
				t.Errorf("an entry is longer than the log: %d of %d", e.End, len(b))
			}
		}
	})
}
