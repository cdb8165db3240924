package serial

import (
	"context"
	"slices"
	"time"
)

// Priority of a Job.
type Priority int

// From first to last.
const (
	Command Priority = iota // somebody waits for a relay
	Poll
	Probe // of a device that did not answer; its time-out must not cost others their intervals
)

const (
	maxQueued = 256

	// probeShare is how much of the wire's time the probes of silent devices get: one
	// part of so many.
	probeShare = 10

	// probeBecomesPoll is when a probe that never had its turn becomes a poll: on a wire
	// that is always busy a device must still be able to come back.
	probeBecomesPoll = 30 * time.Second
)

// Job is one exchange on the wire.
type Job struct {
	Priority  Priority
	Due       time.Time // the earlier comes first among equals; zero: now
	Line      Line      // zero: the wire's usual one
	Broadcast bool      // what arrives meanwhile is for the listeners as well
	Run       func(*Transaction) error
}

// queued is a Job that waits for its turn or runs.
type queued struct {
	Job
	ctx  context.Context
	done chan struct{}
	err  error // set before done is closed
}

func (q *queued) finish(err error) {
	q.err = err
	close(q.done)
}

// queue holds the jobs that wait. The Bus's mutex guards it.
type queue struct {
	jobs   []*queued
	probes time.Time // no probe before
}

func (q *queue) add(j *queued, now time.Time) bool {
	if len(q.jobs) >= maxQueued {
		return false
	}
	if j.Due.IsZero() {
		j.Due = now
	}
	q.jobs = append(q.jobs, j)
	return true
}

// next takes the job whose turn it is. Without one, wait says when to ask again; 0
// is when the queue changes.
func (q *queue) next(now time.Time) (j *queued, wait time.Duration) {
	best := -1
	for i, j := range q.jobs {
		if q.priority(j, now) == Probe && now.Before(q.probes) {
			if until := q.probes.Sub(now); wait == 0 || until < wait {
				wait = until
			}
			continue
		}
		if best < 0 || q.before(j, q.jobs[best], now) {
			best = i
		}
	}
	if best < 0 {
		return nil, wait
	}
	j = q.jobs[best]
	q.jobs = slices.Delete(q.jobs, best, best+1)
	return j, 0
}

func (q *queue) before(a, b *queued, now time.Time) bool {
	if pa, pb := q.priority(a, now), q.priority(b, now); pa != pb {
		return pa < pb
	}
	return a.Due.Before(b.Due) // the slice is in order of arrival, so equals stay so
}

func (q *queue) priority(j *queued, now time.Time) Priority {
	if j.Priority == Probe && now.Sub(j.Due) >= probeBecomesPoll {
		return Poll
	}
	return j.Priority
}

// ran takes note of what a job cost.
func (q *queue) ran(j *queued, start, end time.Time) {
	if j.Priority == Probe {
		q.probes = end.Add((probeShare - 1) * end.Sub(start))
	}
}

func (q *queue) remove(j *queued) bool {
	i := slices.Index(q.jobs, j)
	if i < 0 {
		return false
	}
	q.jobs = slices.Delete(q.jobs, i, i+1)
	return true
}

func (q *queue) drain() []*queued {
	jobs := q.jobs
	q.jobs = nil
	return jobs
}
