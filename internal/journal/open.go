package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"sensorgate/internal/disk"
)

func (o Options) withDefaults() Options {
	if o.Size <= 0 {
		o.Size = 512 << 20
	}
	if o.Commit <= 0 {
		o.Commit = time.Second
	}
	if o.SeqStep == 0 {
		o.SeqStep = 1 << 20
	}
	o.SeqStep = max(o.SeqStep, 1024)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	return o
}

// segments chooses the size of segments for a file system of total bytes.
func (o *Options) segments(total int64) {
	if o.SegmentSize <= 0 {
		o.SegmentSize = 4 << 20
		if total < 256<<20 {
			o.SegmentSize = 1 << 20
		}
	}
	o.SegmentSize = min((o.SegmentSize+headerBlock-1)&^(headerBlock-1), maxSegment)
	o.Size = max(o.Size, 4*o.SegmentSize) // the one written, the one before, a spare, one that waits
}

// Open recovers the store in o.Dir, or makes an empty one. What a power cut tore
// off the end is cut, what is damaged is skipped and counted; Open fails only if
// the store cannot be read or written at all, is in use, or is not ours.
func Open(o Options) (*Journal, error) {
	o = o.withDefaults()
	j := &Journal{
		opt: o, log: o.Log,
		woken:  make(chan struct{}, 1),
		queues: map[string]*Queue{}, byID: map[uint32]*Queue{},
		entries: map[string]*entry{}, mem: map[Seq]*memRecord{},
		memMax: min(o.Size, memoryBound),
		limit:  math.MaxUint64,
	}
	j.index.pages = map[uint64]*indexPage{}
	j.room.L = &j.mu
	if o.Dir != "" {
		if err := j.openDir(); err != nil {
			return nil, fmt.Errorf("journal %s: %w", o.Dir, err)
		}
	}
	j.openClock()
	if _, looking := o.FS.(*readOnlyFS); j.wr != nil && !looking {
		// Not with the first commit: until then it would hold up those who wait for theirs.
		if err := j.commit(); err != nil {
			j.closeFiles()
			return nil, fmt.Errorf("journal %s: %w", o.Dir, err)
		}
	}
	return j, nil
}

func (j *Journal) openDir() (err error) {
	o := j.opt
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return err
	}
	if j.unlock, err = o.FS.Lock(filepath.Join(o.Dir, "lock")); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.closeFiles()
		}
	}()
	_, total, err := o.FS.Space(o.Dir)
	if err != nil {
		return err
	}
	floor := o.FreeFloor
	if floor == 0 {
		floor = max(64<<20, total/20)
	}
	floor = min(floor, total/4) // a small disk is there to be used
	o.segments(total)
	st := &store{fs: o.FS, dir: o.Dir, segSize: o.SegmentSize, max: o.Size, floor: floor}
	j.wr = &writer{st: st}
	if err := j.recover(); err != nil {
		return err
	}
	j.stats.LastCommit = time.Now()
	st.count(&j.stats)
	return nil
}

// begin makes the first segment of a new store.
func (j *Journal) begin() error {
	var salt [4]byte
	rand.Read(salt[:]) // never fails
	st, w := j.wr.st, j.wr
	if st.salt == 0 {
		st.salt = binary.LittleEndian.Uint32(salt[:]) | 1
	}
	w.lsn = max(w.lsn, 1)
	w.durable = w.lsn - 1
	w.epoch++
	if fit, _ := j.spare(st.segSize); fit == nil {
		if _, err := j.addSlot(st.segSize); err != nil {
			return err
		}
	}
	fit, _ := j.spare(st.segSize)
	j.wantCheckpoint = true
	if err := j.enter(fit); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	// Another one at once: the salt stands in two files from the first record on.
	if _, err := j.addSlot(st.segSize); err != nil && !errors.Is(err, errNoSpace) {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.checkpointDurableLocked()
	j.limit = j.limitWritten
	return nil
}

func (j *Journal) closeFiles() {
	for _, s := range j.slots {
		if s != nil {
			s.f.Close()
		}
	}
	if j.unlock != nil {
		j.unlock.Close()
	}
}
