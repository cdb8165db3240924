package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Two files that are written one after the other, all the time but for short pauses: the
// copy never has the second of a pair without the first.
func TestCopyIsOfOneMoment(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	put := func(name string, n uint64) {
		b := make([]byte, 1<<16)
		binary.BigEndian.PutUint64(b, n)
		binary.BigEndian.PutUint64(b[len(b)-8:], n)
		f, err := os.OpenFile(filepath.Join(from, name), os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteAt(b, 0)
			f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	put("a", 0)
	put("b", 0)
	if err := os.WriteFile(filepath.Join(from, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		pause := time.NewTicker(300 * time.Millisecond) // as a commit a second, but meaner
		defer pause.Stop()
		for n := uint64(1); ; n++ {
			put("a", n)
			put("b", n)
			select {
			case <-stop:
				return
			case <-pause.C:
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	for range 5 {
		if err := copySettled(from, to); err != nil {
			t.Fatal(err)
		}
		var n [2]uint64
		for i, name := range []string{"a", "b"} {
			b, err := os.ReadFile(filepath.Join(to, name))
			if err != nil {
				t.Fatal(err)
			}
			n[i] = binary.BigEndian.Uint64(b)
			if last := binary.BigEndian.Uint64(b[len(b)-8:]); last != n[i] {
				t.Errorf("%s is of two moments: %d and %d", name, n[i], last)
			}
		}
		if n[0] != n[1] && n[0] != n[1]+1 {
			t.Errorf("the copy has %d and %d", n[0], n[1])
		}
	}
	if _, err := os.Stat(filepath.Join(to, "lock")); err == nil {
		t.Error("the lock of the running process was copied")
	}
}
