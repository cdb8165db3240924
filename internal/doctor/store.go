package doctor

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
func lookStore(m Machine) []Finding {
	if m.data == "" {
		return one(Warning, "data = \"\": what waits is kept in memory, and a restart loses it", "")
	}
	dir := m.path(m.data)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return one(Warning, m.data+" does not exist yet; the service makes it", "")
	case errors.Is(err, fs.ErrPermission):
		return one(Skipped, "store: only root and the gateway may look into "+m.data, "sudo sensorgate doctor")
	case err != nil:
		return one(Wrong, err.Error(), "")
	}
	found := m.storePermissions(info)
	found = append(found, freeSpace(dir, m.data))
	return append(found, syncSpeed(dir, m.data, m.onCard(dir)))
}

func (m Machine) storePermissions(info fs.FileInfo) []Finding {
	a, err := m.account(m.User)
	if err != nil {
		return nil // lookUser said so
	}
	if !a.mayOpen(info) {
		return one(Wrong, fmt.Sprintf("%s may not write to %s (%s)", m.User, m.data, owner(info)),
			fmt.Sprintf("sudo chown -R %s:%s %s", m.User, m.User, m.data))
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return one(Wrong, fmt.Sprintf("everybody may look into %s (mode %04o)", m.data, mode), "sudo chmod 700 "+m.data)
	}
	return nil
}

func freeSpace(dir, name string) Finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Finding{Verdict: Skipped, What: "free space: " + err.Error()}
	}
	size, free := int64(st.Blocks)*int64(st.Bsize), int64(st.Bavail)*int64(st.Bsize) // 32 bit on ARM
	what := fmt.Sprintf("%d MiB of %d MiB free at %s", free>>20, size>>20, name)
	switch {
	case st.Flags&unix.ST_RDONLY != 0:
		return Finding{Verdict: Wrong, What: name + " is read-only", Try: "mount -o remount,rw, or data = on a writable file system; dmesg shows whether the card is dying"}
	case free < max(minFree, size/20):
		return Finding{Verdict: Wrong, What: what + ", below the floor at which the journal stops growing", Try: "sudo apt-get clean; sudo journalctl --vacuum-size=50M"}
	}
	return Finding{Verdict: OK, What: what}
}

// onCard reports whether the directory lies on an SD card or eMMC.
func (m Machine) onCard(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)))
	block, err := filepath.EvalSymlinks(m.path("sys/dev/block", dev))
	return err == nil && strings.Contains(block, "mmcblk")
}

// syncSpeed writes as the journal does: one block into a file that does not grow,
// then fdatasync.
func syncSpeed(dir, name string, card bool) Finding {
	times, err := timeSyncs(dir)
	if errors.Is(err, fs.ErrPermission) {
		return Finding{Verdict: Skipped, What: "speed of " + name + ": not ours to write", Try: "sudo sensorgate doctor"}
	}
	if err != nil {
		return Finding{Verdict: Wrong, What: "writing to " + name + ": " + err.Error(), Try: "dmesg | tail    (shows whether the card is dying)"}
	}
	return judgeSyncs(times, card)
}

// JudgeSyncs judges how long syncs took in the store at dir of this machine: too fast
// for a card that keeps its word, or so slow that publishers wait. times is sorted in
// place and must not be empty.
func JudgeSyncs(times []time.Duration, dir string) Finding {
	return judgeSyncs(times, This(false).onCard(dir))
}

func judgeSyncs(times []time.Duration, card bool) Finding {
	slices.Sort(times)
	median, worst := times[len(times)/2], times[len(times)-1]
	what := fmt.Sprintf("a sync takes %v, at worst %v", median.Round(10*time.Microsecond), worst.Round(10*time.Microsecond))
	switch {
	case card && median < time.Second/tooManySyncs:
		return Finding{Verdict: Warning, What: what + ": too fast for a card, it may keep data in a cache that a power cut empties", Try: "an industrial card, or an SSD"}
	case median > slowSync:
		return Finding{Verdict: Wrong, What: what + ": acknowledgements to publishers wait for it", Try: "an endurance or industrial card (A1 or better), or an SSD"}
	}
	return Finding{Verdict: OK, What: what}
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
