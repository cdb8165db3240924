// Package crashdisk is a disk in memory for tests: it remembers what was synced, and a
// power cut loses any part of the rest.
package crashdisk

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"sensorgate/internal/disk"
)

// Disk is a file system in memory that remembers what was synced. A power cut
// leaves, of every sector written since the last sync of its file, the old or the
// new content, and of the directory changes since the last sync of the directory
// the first few (ordered, as ext4 keeps them) or any (f2fs, exFAT).
//
// Its methods may be called from several goroutines. The fields are for tests that do all
// on one; others use PowerOffAfter and IsOff.
type Disk struct {
	Unordered bool // directory changes survive in any order, not in the order they were made

	Ops     int     // operations until the power is cut; < 0: never
	Off     bool    // the power is off: every operation fails until Cut
	EIO     float64 // chance that a write or sync fails
	EIOSeen int     // how many did
	Quota   int64   // bytes of all files; 0: no bound
	Locked  bool    // a program holds the lock

	SyncTime func() time.Duration // how long the next sync takes; nil: no time

	mu      sync.Mutex
	rnd     *rand.Rand
	names   map[string]*inode
	durable map[string]*inode
	dirOps  []dirOp // since the last SyncDir
}

type dirOp struct {
	name string
	node *inode // nil: removed
}

const sector = 512

type inode struct {
	data    []byte // as the programs see it
	durable []byte // as the disk has it
	dirty   map[int]bool
}

var errPower = errors.New("the power is off")

// New makes an empty disk; all its choices come from rnd.
func New(rnd *rand.Rand) *Disk {
	return &Disk{rnd: rnd, names: map[string]*inode{}, durable: map[string]*inode{}, Ops: -1}
}

// step counts an operation and says whether the power is still on.
func (c *Disk) step() error {
	if c.Ops == 0 {
		c.Off = true
	}
	if c.Off {
		return errPower
	}
	c.Ops--
	return nil
}

// PowerOffAfter cuts the power at the nth operation from now; 0 is the next.
func (c *Disk) PowerOffAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Ops = n
}

// IsOff reports whether the power is off.
func (c *Disk) IsOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Off
}

// Cut makes a legal image of the disk after a power cut and switches it on again.
func (c *Disk) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	if len(c.dirOps) > 0 {
		n = c.rnd.IntN(len(c.dirOps) + 1)
	}
	for i, op := range c.dirOps {
		if c.Unordered && c.rnd.IntN(2) == 0 || !c.Unordered && i >= n {
			continue
		}
		if op.node == nil {
			delete(c.durable, op.name)
		} else {
			c.durable[op.name] = op.node
		}
	}
	c.dirOps = nil
	c.names = map[string]*inode{}
	// In order: the choices below must not depend on the order of a map.
	names := make([]string, 0, len(c.durable))
	for name := range c.durable {
		names = append(names, name)
	}
	slices.Sort(names)
	mode := c.rnd.IntN(4) // lose all, lose half (twice), keep all
	for _, name := range names {
		f := c.durable[name]
		f.settle(c.rnd, mode)
		c.names[name] = f
	}
	c.Off, c.Ops, c.Locked = false, -1, false
}

// settle decides for each dirty sector whether it reached the disk.
func (f *inode) settle(rnd *rand.Rand, mode int) {
	sectors := make([]int, 0, len(f.dirty))
	for s := range f.dirty {
		sectors = append(sectors, s)
	}
	slices.Sort(sectors)
	for _, s := range sectors {
		if mode == 3 || mode > 0 && rnd.IntN(2) == 0 {
			f.persist(s)
		}
	}
	f.dirty = map[int]bool{}
	f.data = slices.Clone(f.durable)
}

// persist puts what the programs see of a sector on the disk.
func (f *inode) persist(s int) {
	from, to := s*sector, min((s+1)*sector, len(f.data))
	if len(f.durable) < to {
		f.durable = append(f.durable, make([]byte, to-len(f.durable))...)
	}
	copy(f.durable[from:to], f.data[from:to])
}

func (c *Disk) MkdirAll(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.step()
}

func (c *Disk) ReadDir(dir string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return nil, err
	}
	var names []string
	for name := range c.names {
		if d, base := filepath.Split(name); filepath.Clean(d) == dir {
			names = append(names, base)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (c *Disk) OpenFile(name string, flag int) (disk.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return nil, err
	}
	f := c.names[name]
	switch {
	case f == nil && flag&os.O_CREATE == 0:
		return nil, os.ErrNotExist
	case f != nil && flag&os.O_EXCL != 0:
		return nil, os.ErrExist
	case f == nil:
		f = &inode{dirty: map[int]bool{}}
		c.names[name] = f
		c.dirOps = append(c.dirOps, dirOp{name, f})
	}
	return &crashFile{c, f, filepath.Base(name)}, nil
}

func (c *Disk) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return err
	}
	delete(c.names, name)
	c.dirOps = append(c.dirOps, dirOp{name, nil})
	return nil
}

func (c *Disk) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return err
	}
	f := c.names[from]
	delete(c.names, from)
	c.names[to] = f
	c.dirOps = append(c.dirOps, dirOp{to, f}, dirOp{from, nil})
	return nil
}

func (c *Disk) SyncDir(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return err
	}
	for _, op := range c.dirOps {
		if op.node == nil {
			delete(c.durable, op.name)
		} else {
			c.durable[op.name] = op.node
		}
	}
	c.dirOps = nil
	return nil
}

func (c *Disk) Lock(string) (io.Closer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Locked {
		return nil, disk.ErrLocked
	}
	c.Locked = true
	return unlocker{c}, nil
}

type unlocker struct{ c *Disk }

func (u unlocker) Close() error {
	u.c.mu.Lock()
	defer u.c.mu.Unlock()
	u.c.Locked = false
	return nil
}

func (c *Disk) used() (n int64) {
	for _, f := range c.names {
		n += int64(len(f.data))
	}
	return n
}

func (c *Disk) Space(string) (free, total int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Quota == 0 {
		return 1 << 40, 1 << 40, c.step()
	}
	return max(0, c.Quota-c.used()), c.Quota, c.step()
}

type crashFile struct {
	c    *Disk
	f    *inode
	name string
}

func (f *crashFile) Close() error { return nil }

func (f *crashFile) Size() (int64, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return int64(len(f.f.data)), f.c.step()
}

func (f *crashFile) ReadAt(b []byte, off int64) (int, error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if err := f.c.step(); err != nil {
		return 0, err
	}
	if off >= int64(len(f.f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(b []byte, off int64) (n int, err error) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if f.c.Off {
		return 0, errPower
	}
	// The power can fail, the disk fill or break in the middle of a write.
	if err = f.c.step(); err != nil || f.c.chance() {
		if err == nil {
			err = syscall.EIO
		}
		b = b[:f.c.rnd.IntN(len(b)+1)]
	}
	if grow := off + int64(len(b)) - int64(len(f.f.data)); grow > 0 && f.c.Quota > 0 && f.c.used()+grow > f.c.Quota {
		err = fmt.Errorf("write: %w", syscall.ENOSPC)
		b = b[:max(0, int64(len(b))-grow)]
	}
	if need := int(off) + len(b); need > len(f.f.data) {
		f.f.data = append(f.f.data, make([]byte, need-len(f.f.data))...)
	}
	writeBack := f.c.rnd.IntN(8) == 0 // what was there came to the disk before
	for s := int(off) / sector; s*sector < int(off)+len(b); s++ {
		if writeBack && f.f.dirty[s] {
			f.f.persist(s)
		}
		f.f.dirty[s] = true
	}
	copy(f.f.data[off:], b)
	return len(b), err
}

func (f *crashFile) Sync() error {
	if f.c.SyncTime != nil {
		time.Sleep(f.c.SyncTime())
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	if err := f.c.step(); err != nil {
		return err
	}
	if f.c.chance() {
		// The kernel marks the pages clean whether they reached the disk or not.
		f.f.settleFailed(f.c.rnd)
		return syscall.EIO
	}
	for s := range f.f.dirty {
		f.f.persist(s)
	}
	f.f.dirty = map[int]bool{}
	return nil
}

func (f *inode) settleFailed(rnd *rand.Rand) {
	seen := slices.Clone(f.data)
	f.settle(rnd, 1)
	f.data = seen
}

// chance reports whether this operation fails.
func (c *Disk) chance() bool {
	if c.EIO > 0 && c.rnd.Float64() < c.EIO {
		c.EIOSeen++
		return true
	}
	return false
}

// Flip changes one bit of a file.
func (c *Disk) Flip(name string, bit int) {
	c.names[name].data[bit/8] ^= 1 << (bit % 8)
	if bit/8 < len(c.names[name].durable) { // else it was never synced
		c.names[name].durable[bit/8] ^= 1 << (bit % 8)
	}
}

// Clone copies the disk, for images that are tried one after the other.
func (c *Disk) Clone(rnd *rand.Rand) *Disk {
	n := New(rnd)
	for name, f := range c.names {
		g := &inode{data: slices.Clone(f.data), durable: slices.Clone(f.data), dirty: map[int]bool{}}
		n.names[name], n.durable[name] = g, g
	}
	return n
}

// Files returns the names of the files that end in suffix, sorted.
func (c *Disk) Files(suffix string) (names []string) {
	for name := range c.names {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Data is the content of a file as the programs see it; it must not be changed.
func (c *Disk) Data(name string) []byte { return c.names[name].data }

// Replace makes b the content of a file, on the disk too: damage, or a shorter file.
func (c *Disk) Replace(name string, b []byte) {
	f := c.names[name]
	f.data, f.durable = b, slices.Clone(b)
}
