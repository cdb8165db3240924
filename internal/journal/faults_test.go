package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/disk"
)

// tmpfs mounts a small file system of its own.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Skipf("skipped: no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A full disk is a state: the Refuse queue says so to its publisher, the others drop
// what they have to and count it, and everything goes on when there is room.
func TestFullDisk(t *testing.T) {
	dir := tmpfs(t, "8m")
	o := Options{Dir: dir, SegmentSize: 1 << 20, FreeFloor: 1 << 20, Commit: 20 * time.Millisecond}
	j, stop := start(t, o)
	refuse := openQueue(t, j, "refuse", Limits{Full: Refuse})
	w := newWaits()
	full, taken := 0, 0
	data := make([]byte, 10<<10)
	for i := 0; full == 0 && i < 2000; i++ {
		j.Append(Record{Data: data, To: []*Queue{refuse}, Class: Event, Waiter: w, Token: uint64(i)})
		w.next(t, 1)
		if err := w.errs[i]; errors.Is(err, ErrFull) {
			full++
		} else if err != nil {
			t.Fatalf("append %d: %v", i, err)
		} else {
			taken++
		}
	}
	if full == 0 {
		t.Fatalf("%d records of 10 KiB found room on 8 MiB", taken)
	}
	if s := j.Stats(); !errors.Is(s.Failed, ErrFull) || !strings.Contains(s.Failed.Error(), "MiB") {
		t.Errorf("Stats does not notify why: %v", s.Failed)
	}
	if free, _, _ := (disk.OS{}).Space(dir); free < 1<<20 {
		t.Errorf("%d bytes free, below the floor", free)
	}
	// The consumer comes back: what it acknowledges makes room, without a restart.
	items := readAll(t, refuse)
	if len(items) != taken {
		t.Errorf("%d records wait, %d were taken", len(items), taken)
	}
	for _, it := range items[:len(items)-3] {
		refuse.Ack(it.Seq)
	}
	deadline := time.Now().Add(20 * time.Second)
	for j.Stats().Failed != nil {
		if time.Now().After(deadline) {
			t.Fatalf("still full: %v", j.Stats().Failed)
		}
		time.Sleep(10 * time.Millisecond) // the journal looks for room once a second
	}
	n := len(w.errs)
	j.Append(Record{Data: data, To: []*Queue{refuse}, Class: Event, Waiter: w})
	w.next(t, 1)
	if w.errs[n] != nil {
		t.Errorf("append after there is room: %v", w.errs[n])
	}
	stop()
	j, _ = start(t, o)
	if got := len(readAll(t, openQueue(t, j, "refuse", Limits{Full: Refuse}))); got != 4 {
		t.Errorf("%d records wait after the restart, want 4", got)
	}
}

// With drop-oldest the newest find room, for as long as it takes, within the bound.
func TestFullDiskDropsOldest(t *testing.T) {
	dir := tmpfs(t, "8m")
	j, _ := start(t, Options{Dir: dir, SegmentSize: 1 << 20, FreeFloor: 1 << 20, Commit: 5 * time.Millisecond})
	q := openQueue(t, j, "q", Limits{})
	w := newWaits()
	const n = 3000
	for i := range n {
		j.Append(Record{Data: append(fmt.Appendf(nil, "%d ", i), make([]byte, 10<<10)...), To: []*Queue{q}, Class: Event, Waiter: w})
		w.next(t, 1)
	}
	items := readAll(t, q)
	s := q.Stats()
	if uint64(len(items))+s.DroppedFull != n || items[0].Gap != s.DroppedFull {
		t.Errorf("%d wait, %d dropped, gap %d: want %d in all and a gap of all that were dropped", len(items), s.DroppedFull, items[0].Gap, n)
	}
	if !strings.HasPrefix(string(items[len(items)-1].Data), fmt.Sprint(n-1, " ")) {
		t.Error("the newest record is not there")
	}
}

// The configured size holds, whatever the consumers do.
func TestSizeBound(t *testing.T) {
	dir := t.TempDir()
	const size = 2 << 20
	j, _ := start(t, Options{Dir: dir, SegmentSize: 256 << 10, Size: size, Commit: 5 * time.Millisecond})
	away := openQueue(t, j, "away", Limits{})
	here := openQueue(t, j, "here", Limits{})
	w := newWaits()
	for i := range 8000 {
		j.Append(Record{Data: make([]byte, 1000), To: []*Queue{away, here}, Class: Event, Waiter: w})
		w.next(t, 1)
		if i%100 == 0 {
			items, _ := here.Read(0, 1000, nil)
			for _, it := range items {
				here.Ack(it.Seq)
			}
			if used := j.Stats().DiskBytes; used > size {
				t.Fatalf("%d bytes on disk, %d configured", used, size)
			}
		}
	}
	if s := away.Stats(); s.DroppedFull+s.Waiting != 8000 || s.Waiting < 1000 {
		t.Errorf("the queue that is away: %+v", s)
	}
	if s := here.Stats(); s.DroppedFull != 0 {
		t.Errorf("the queue that is read lost %d records to the one that is not", s.DroppedFull)
	}
}

func TestStoreThatCannotBeUsed(t *testing.T) {
	write := func(dir, name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	foreign := append([]byte("%PDF-1.4"), make([]byte, 8000)...)
	newer := header{format: formatNumber + 1, state: slotUsed, salt: 1, segno: 1, firstLSN: 1}.block()
	for _, test := range []struct {
		name string
		make func(dir string)
		want string // of the error; "": it opens
	}{
		{"a newer format", func(dir string) { write(dir, "00001.seg", append(newer, make([]byte, 8000)...)) }, "newer version"},
		{"a file with a strange name", func(dir string) { write(dir, "x.seg", nil) }, "x.seg"},
		{"two stores in one directory", func(dir string) {
			for i, salt := range []uint32{1, 2} {
				h := header{format: formatNumber, state: slotUsed, salt: salt, segno: 1, firstLSN: 1}
				write(dir, slotName(i+1), append(h.block(), make([]byte, 8000)...))
			}
		}, "two stores"},
		{"a foreign file", func(dir string) { write(dir, "00001.seg", foreign) }, ""},
		{"a lock of a dead process", func(dir string) { write(dir, "lock", nil) }, ""},
		{"not a directory", func(dir string) { os.Remove(dir); os.WriteFile(dir, nil, 0o600) }, "not a directory"},
	} {
		dir := filepath.Join(t.TempDir(), "store")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		test.make(dir)
		j, err := Open(Options{Dir: dir, FreeFloor: -1})
		switch {
		case err == nil && test.want == "":
			j.closeFiles()
		case err == nil:
			t.Errorf("%s: opened", test.name)
			j.closeFiles()
		case test.want == "" || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir):
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// Nothing is destroyed: the foreign file is put aside.
	dir := t.TempDir()
	write(dir, "00001.seg", foreign)
	j, err := Open(Options{Dir: dir, FreeFloor: -1})
	if err != nil {
		t.Fatal(err)
	}
	j.closeFiles()
	if b, err := os.ReadFile(filepath.Join(dir, "00001.seg.damaged")); err != nil || string(b) != string(foreign) {
		t.Errorf("the foreign file is gone: %v", err)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := tmpfs(t, "16m")
	j, stop := start(t, Options{Dir: dir, SegmentSize: 1 << 20})
	openQueue(t, j, "q", Limits{})
	stop()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("skipped: cannot remount: %v", err)
	}
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), dir) {
		t.Errorf("open on a read-only file system: %v", err)
	}
	if s, err := Inspect(dir); err != nil || len(s.Queues) != 1 {
		t.Errorf("looking must still work: %v", err)
	}
}

// The disk breaks while the journal runs: the waiters hear of it, Run ends with the
// reason, and appends fail at once instead of waiting forever.
func TestBrokenDisk(t *testing.T) {
	fs := &brokenFS{}
	j, err := Open(Options{Dir: t.TempDir(), FS: fs, FreeFloor: -1})
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, j, "q", Limits{})
	fs.broken = true
	done := make(chan error, 1)
	go func() { done <- j.Run(context.Background()) }()
	w := newWaits()
	j.Append(Record{Data: []byte("x"), To: []*Queue{q}, Class: Event, Waiter: w})
	w.next(t, 1)
	if !errors.Is(w.errs[0], ErrFailed) {
		t.Errorf("the waiter heard %v", w.errs[0])
	}
	if err := <-done; !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("run: %v", err)
	}
	if j.Append(Record{Data: []byte("x"), To: []*Queue{q}, Class: Event, Waiter: w}) != 1 {
		t.Error("an append to a failed journal was taken")
	}
}

type brokenFS struct {
	disk.OS
	broken bool
}

func (b *brokenFS) OpenFile(name string, flag int) (disk.File, error) {
	f, err := b.OS.OpenFile(name, flag)
	return brokenFile{f, b}, err
}

type brokenFile struct {
	disk.File
	b *brokenFS
}

func (f brokenFile) Sync() error {
	if f.b.broken {
		return syscall.EIO
	}
	return f.File.Sync()
}
