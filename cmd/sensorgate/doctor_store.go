package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	probeBlock = 4096 // the smallest piece that a flash card's file system writes
	probeCount = 40
	probeTime  = 3 * time.Second // a bad card is found out long before

	// No SD card makes more than some hundred real flushes a second; one that does
	// keeps the data in a cache that a power cut empties.
	tooManySyncs = 500
	slowSync     = 200 * time.Millisecond
	minFree      = 64 << 20 // the journal's floor, see docs/journal-format.md
)

// lookStore: is there room, may the gateway write, and does the disk keep its word?
func lookStore(p patient) []finding {
	if p.data == "" {
		return one(note, "data = \"\": what waits is kept in memory, and a restart loses it", "")
	}
	dir := p.path(p.data)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return one(note, p.data+" does not exist yet; the service makes it", "")
	case errors.Is(err, fs.ErrPermission):
		return one(skipped, "store: only root and the gateway may look into "+p.data, "sudo sensorgate doctor")
	case err != nil:
		return one(wrong, err.Error(), "")
	}
	found := p.storeRights(info)
	found = append(found, freeSpace(dir, p.data))
	return append(found, syncSpeed(dir, p.data, p.onCard(dir)))
}

func (p patient) storeRights(info fs.FileInfo) []finding {
	a, err := p.account(p.user)
	if err != nil {
		return nil // lookUser said so
	}
	if !a.mayOpen(info) {
		return one(wrong, fmt.Sprintf("%s may not write to %s (%s)", p.user, p.data, owner(info)),
			fmt.Sprintf("sudo chown -R %s:%s %s", p.user, p.user, p.data))
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return one(wrong, fmt.Sprintf("everybody may look into %s (mode %04o)", p.data, mode), "sudo chmod 700 "+p.data)
	}
	return nil
}

func freeSpace(dir, name string) finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return finding{Verdict: skipped, What: "free space: " + err.Error()}
	}
	size, free := int64(st.Blocks)*int64(st.Bsize), int64(st.Bavail)*int64(st.Bsize) // 32 bit on ARM
	what := fmt.Sprintf("%d MiB of %d MiB free at %s", free>>20, size>>20, name)
	switch {
	case st.Flags&unix.ST_RDONLY != 0:
		return finding{Verdict: wrong, What: name + " is read-only", Mend: "mount -o remount,rw, or data = on a writable file system; dmesg tells whether the card is dying"}
	case free < max(minFree, size/20):
		return finding{Verdict: wrong, What: what + ", below the floor at which the journal stops growing", Mend: "sudo apt-get clean; sudo journalctl --vacuum-size=50M"}
	}
	return finding{Verdict: fine, What: what}
}

// onCard says whether the directory lies on an SD card or eMMC.
func (p patient) onCard(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	block, err := filepath.EvalSymlinks(p.path("sys/dev/block", dev))
	return err == nil && strings.Contains(block, "mmcblk")
}

// syncSpeed writes as the journal does: one block into a file that does not grow,
// then fdatasync.
func syncSpeed(dir, name string, card bool) finding {
	times, err := timeSyncs(dir)
	if errors.Is(err, fs.ErrPermission) {
		return finding{Verdict: skipped, What: "speed of " + name + ": not ours to write", Mend: "sudo sensorgate doctor"}
	}
	if err != nil {
		return finding{Verdict: wrong, What: "writing to " + name + ": " + err.Error(), Mend: "dmesg | tail    (tells whether the card is dying)"}
	}
	return judgeSyncs(times, card)
}

func judgeSyncs(times []time.Duration, card bool) finding {
	slices.Sort(times)
	median, worst := times[len(times)/2], times[len(times)-1]
	what := fmt.Sprintf("a sync takes %v, at worst %v", median.Round(10*time.Microsecond), worst.Round(10*time.Microsecond))
	switch {
	case card && median < time.Second/tooManySyncs:
		return finding{Verdict: note, What: what + ": too fast for a card, it may keep data in a cache that a power cut empties", Mend: "an industrial card, or an SSD"}
	case median > slowSync:
		return finding{Verdict: wrong, What: what + ": acknowledgements to publishers wait for it", Mend: "an endurance or industrial card (A1 or better), or an SSD"}
	}
	return finding{Verdict: fine, What: what}
}

func timeSyncs(dir string) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, probeBlock)
	// The first fills the file; growing costs a commit of the file system's journal.
	for i, start := -1, time.Now(); i < probeCount && time.Since(start) < probeTime; i++ {
		block[0] = byte(i)
		began := time.Now()
		if _, err := f.WriteAt(block, 0); err != nil {
			return nil, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		if i >= 0 {
			times = append(times, time.Since(began))
		}
	}
	if len(times) == 0 {
		return nil, fmt.Errorf("one sync took more than %v", probeTime)
	}
	return times, nil
}
