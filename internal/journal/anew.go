package journal

// beginAnew is what a full journal does when it finds room in no other way: it writes two checkpoints, in files of their
// own and beyond the bound of the size if it must. Then nothing before them is pinned, and all positions are on the disk,
// however many segments they take together: each segment in which nothing is wanted is given back. So it is done only if
// more of them come back than it takes.
func (j *Journal) beginAnew() error {
	if !j.paysAnew() {
		return nil
	}
	for range 2 {
		if ok, err := j.checkpointElsewhere(); err != nil || !ok {
			return err
		}
	}
	_, err := j.freeDead()
	return err
}

// checkpointElsewhere writes a checkpoint that begins in another segment, and reports whether there was room.
func (j *Journal) checkpointElsewhere() (bool, error) {
	due := j.wantCheckpoint
	j.anew, j.wantCheckpoint = true, true
	defer func() { j.anew = false }()
	ok, err := j.goElsewhere(0)
	if !ok {
		j.wantCheckpoint = due
	}
	if err != nil || !ok {
		return false, err
	}
	if j.newCheckpoint == nil {
		return false, nil
	}
	if err := j.wr.sync(); err != nil {
		return false, err
	}
	j.mu.Lock()
	j.checkpointDurableLocked()
	j.mu.Unlock()
	return true, nil
}

// paysAnew reports whether more segments come back than two checkpoints take.
func (j *Journal) paysAnew() bool {
	if j.wr.broken {
		return false
	}
	size := j.wr.st.segSize
	left := -2 * (1 + j.statesSize()/(size-headerBlock-stateRoom(size)-2*sealSize))
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.slots {
		if s != nil && s.used && s.live == 0 && !s.bad && s.readers == 0 {
			left++
		}
	}
	return left > 0
}
