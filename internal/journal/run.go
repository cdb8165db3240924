package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Run commits until ctx ends, commits what is left and closes the store. It
// returns early, with ErrFailed, when the disk does not take the data.
func (j *Journal) Run(ctx context.Context) error {
	if j.wr == nil {
		<-ctx.Done()
		j.mu.Lock()
		j.closed = true
		j.unlockAndNotify()
		return nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var aged time.Time
	for {
		select {
		case <-ctx.Done():
			return j.close()
		case <-j.woken:
		case <-timer.C:
		}
		if now := time.Now(); now.Sub(aged) >= time.Second {
			aged = now
			j.watchClock(now)
			j.logDrops(now)
			j.dropAllAged(now)
			j.beat(now)
		}
		if j.due() <= 0 {
			j.waitForBatch(ctx)
			if err := j.commit(); err != nil {
				return errors.Join(err, j.close())
			}
		} else if j.markDue() <= 0 {
			j.commitMark()
		}
		timer.Reset(max(0, min(j.due(), j.markDue(), time.Second)))
	}
}

// due returns how long the next commit may wait.
func (j *Journal) due() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	wait := time.Hour
	if !j.windowAt.IsZero() {
		wait = j.opt.Commit - now.Sub(j.windowAt)
	}
	if j.full != nil { // only positions can be written; look for room now and then
		return min(wait, time.Second-now.Sub(j.fullTried))
	}
	if !j.eventAt.IsZero() || j.pend.bytes >= flushPending || j.last+j.opt.SeqStep/8 >= j.limit {
		return 0
	}
	return wait
}

// beat shows the watchdog that the committing goroutine runs.
func (j *Journal) beat(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.LastCommit = now
}

func (j *Journal) dropAllAged(now time.Time) {
	j.mu.Lock()
	var aging []*Queue
	for _, q := range j.queues {
		if q.lim.Age > 0 && q.wait.n > 0 {
			aging = append(aging, q)
		}
	}
	j.mu.Unlock()
	for _, q := range aging {
		q.dropAged(now)
	}
}

// waitForBatch delays a commit of the event class for as long as half a sync
// takes, again and again while more comes in, for at most 5 ms: what comes in
// shares the sync, and what is acknowledged in that time needs none. When it did
// not pay the last time it is tried ever more rarely: a lone publisher is not
// kept waiting for others that never come.
func (j *Journal) waitForBatch(ctx context.Context) {
	j.mu.Lock()
	alone := j.eventAt.IsZero() || j.pend.bytes >= flushPending || j.full != nil
	began, seen := j.pend.first, j.pend.end
	quiet := min(max(j.stats.LastSync/2, 50*time.Microsecond), eventWindow)
	j.mu.Unlock()
	if alone {
		return
	}
	if j.skipWaits > 0 {
		j.skipWaits--
		return
	}
	first := seen
	for waited := time.Duration(0); waited < eventWindow; waited += quiet {
		if !sleep(ctx, quiet) {
			return
		}
		j.mu.Lock()
		end, bytes := j.pend.end, j.pend.bytes
		j.mu.Unlock()
		if end == seen || bytes >= flushPending {
			break
		}
		seen = end
	}
	j.mu.Lock()
	paid := j.pend.end > first || j.pend.first > began
	j.mu.Unlock()
	if paid {
		j.waitFails = 0
		return
	}
	j.waitFails = min(j.waitFails+1, 6)
	j.skipWaits = 1 << j.waitFails
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// close commits what is left and returns the store back. Appends fail from now on.
func (j *Journal) close() error {
	j.mu.Lock()
	j.closed = true
	failed := j.failed
	j.room.Broadcast()
	j.mu.Unlock()
	var err error
	lost := 0
	if failed == nil {
		if err = j.commitRest(); err == nil {
			lost = j.dropRest()
			err = j.writeClose()
		}
	}
	j.logDrops(time.Now())
	if lost += j.giveUp(); lost > 0 && err == nil {
		err = fmt.Errorf("%w: %d appends in memory found no room on the disk", ErrFull, lost)
		j.log.Warn("journal is full, and stops", "lost", lost, "note", "what was in memory, counted by queue; a publisher that waits for an answer sends its own again")
	}
	j.closeFiles()
	return err
}

// stopFor bounds how long a full journal makes room for what is in memory when it stops.
const stopFor = 3 * time.Second

// commitRest commits until nothing waits in memory, or the disk takes no more of it. One commit may make the room that
// the next needs, also if it takes nothing itself.
func (j *Journal) commitRest() error {
	began, idle := time.Now(), 0
	for left := j.unwritten(); ; {
		if err := j.commit(); err != nil {
			return err
		}
		before := left
		if left = j.unwritten(); left < before {
			idle = 0
		} else {
			idle++
		}
		if left == 0 || idle == 2 || time.Since(began) >= stopFor {
			return nil
		}
	}
}

// unwritten counts what waits in memory for the disk.
func (j *Journal) unwritten() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		if !j.pend.at(pos).done {
			n++
		}
	}
	return n
}

// dropRest counts as dropped what found no room and nobody else has: who waits for an answer gets none, and keeps it.
func (j *Journal) dropRest() (n int) {
	j.mu.Lock()
	defer j.unlockAndNotify()
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		p := j.pend.at(pos)
		if p.done || p.kind != kindRecord || p.w != nil {
			continue
		}
		for _, id := range j.pend.consumers(pos) {
			if q := j.byID[id]; q != nil {
				q.dropLocked(p.seq, &q.stats.DroppedFull)
			}
		}
		n++
	}
	return n
}

// giveUp notifies the Waiters of what is still pending that it will not be written.
func (j *Journal) giveUp() (lost int) {
	j.mu.Lock()
	defer j.unlockAndNotify()
	for pos := j.pend.first; pos < j.pend.end; pos++ {
		if p := j.pend.at(pos); !p.done {
			if p.err == nil {
				p.err = ErrClosed
			}
			if !p.hollow {
				lost++
			}
			j.pend.finish(p)
		}
	}
	return lost
}

// writeClose proves to the next run that everything before it had been durable.
func (j *Journal) writeClose() error {
	w := j.wr
	if w.broken {
		return nil
	}
	if err := j.writeMark(); err != nil && !errors.Is(err, errNoSpace) {
		return err
	}
	if !w.fits(frameSize(16)) {
		return nil
	}
	at := w.start()
	w.buf = binary.AppendUvarint(append(w.buf, byte(kindClose)), uint64(j.liveEntries()))
	w.end(at)
	return w.sync()
}
