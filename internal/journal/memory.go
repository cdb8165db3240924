package journal

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Journal is one store. All methods may be called from any goroutine.
type Journal struct {
	opt Options

	mu      sync.Mutex
	last    Seq
	queues  map[string]*Queue
	entries map[string][]byte
}

// Open recovers the store in o.Dir, or makes an empty one.
func Open(o Options) (*Journal, error) {
	return &Journal{opt: o, queues: map[string]*Queue{}, entries: map[string][]byte{}}, nil
}

// Run commits until ctx ends, commits what is left and closes the store.
func (j *Journal) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// OpenQueue gives the queue called name, which may have waiting records of an
// earlier life, with new limits. It is made if it does not exist.
func (j *Journal) OpenQueue(name string, lim Limits) (*Queue, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	q := j.queues[name]
	if q == nil {
		q = &Queue{j: j, name: name, wake: make(chan struct{}, 1)}
		j.queues[name] = q
	}
	q.lim = lim
	return q, nil
}

// DropQueue removes a queue and all that waits in it.
func (j *Journal) DropQueue(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.queues, name)
	return nil
}

// Queues lists the names of all queues with the prefix, sorted.
func (j *Journal) Queues(prefix string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return keysWithPrefix(j.queues, prefix)
}

// Append takes records in order. If any has a full Refuse queue among its
// consumers it fails with ErrFull, enters none, and the ones after it are still
// taken; failed counts them and their Waiters hear ErrFull.
//
// Append does not wait for the disk. When the store is behind by more than a few
// segments it blocks until there is room or the journal fails.
func (j *Journal) Append(recs ...Record) (failed int) {
	now := time.Now()
	for i := range recs {
		r := &recs[i]
		err := j.appendOne(r, now)
		if err != nil {
			failed++
		}
		if r.Waiter != nil {
			r.Waiter.Committed(r.Token, err)
		}
	}
	return failed
}

func (j *Journal) appendOne(r *Record, now time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Seq = 0
	for _, q := range r.To {
		if q.lim.Full == Refuse && !q.roomLocked(len(r.Data)) {
			return ErrFull
		}
	}
	j.last++
	r.Seq = j.last
	for _, q := range r.To {
		q.addLocked(Item{Seq: j.last, Time: now, Data: r.Data})
	}
	return nil
}

// Put sets the entry of key to value, which the journal keeps. An empty value is
// a value; Delete removes. w may be nil.
func (j *Journal) Put(key string, value []byte, lane Lane, w Waiter, token uint64) {
	j.mu.Lock()
	j.entries[key] = value
	j.mu.Unlock()
	if w != nil {
		w.Committed(token, nil)
	}
}

// Delete removes the entry of key, if there is one.
func (j *Journal) Delete(key string, lane Lane) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.entries, key)
}

// Get gives the newest value of key, committed or not.
func (j *Journal) Get(key string) (value []byte, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	value, ok = j.entries[key]
	return value, ok
}

// Keys lists the keys with the prefix, sorted.
func (j *Journal) Keys(prefix string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return keysWithPrefix(j.entries, prefix)
}

// Stats tells how the journal does.
func (j *Journal) Stats() Stats {
	return Stats{LastCommit: time.Now()}
}

func keysWithPrefix[V any](m map[string]V, prefix string) []string {
	var names []string
	for name := range m {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Queue is one consumer's view of the journal. All methods may be called from any
// goroutine.
type Queue struct {
	j    *Journal
	name string
	wake chan struct{}

	// guarded by j.mu
	lim   Limits
	items []Item
	bytes int64
	gap   uint64
	stats QueueStats
}

// Name is the name the queue was opened with.
func (q *Queue) Name() string { return q.name }

// Wake has a value when something was appended since the last receive.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

// Read appends to buf up to max records that wait, the oldest first, beginning
// after the given Seq (0: from the first that waits). Acknowledged ones are left
// out. It may read the disk.
func (q *Queue) Read(after Seq, max int, buf []Item) ([]Item, error) {
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	i := sort.Search(len(q.items), func(i int) bool { return q.items[i].Seq > after })
	for ; i < len(q.items) && max > 0; i, max = i+1, max-1 {
		it := q.items[i]
		if i == 0 {
			it.Gap, q.gap = q.gap, 0
		}
		buf = append(buf, it)
	}
	return buf, nil
}

// Last is the Seq of the newest record that was appended to the queue.
func (q *Queue) Last() Seq {
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	if n := len(q.items); n > 0 {
		return q.items[n-1].Seq
	}
	return q.j.last
}

// Ack takes records off the queue; they need not be the oldest. Unknown and
// already acknowledged ones are ignored.
func (q *Queue) Ack(seqs ...Seq) {
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	for _, s := range seqs {
		i := sort.Search(len(q.items), func(i int) bool { return q.items[i].Seq >= s })
		if i < len(q.items) && q.items[i].Seq == s {
			q.bytes -= int64(len(q.items[i].Data))
			q.items = slices.Delete(q.items, i, i+1)
			q.stats.Acked++
		}
	}
}

// Stats tells how the queue does.
func (q *Queue) Stats() QueueStats {
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	s := q.stats
	s.Name, s.Waiting, s.WaitingBytes = q.name, uint64(len(q.items)), q.bytes
	if len(q.items) > 0 {
		s.Oldest = q.items[0].Time
	}
	return s
}

func (q *Queue) roomLocked(n int) bool {
	return q.lim.Bytes == 0 || q.bytes+int64(n) <= q.lim.Bytes
}

func (q *Queue) addLocked(it Item) {
	if !q.roomLocked(len(it.Data)) && q.lim.Full == DropNewest {
		q.stats.DroppedFull++
		return
	}
	for len(q.items) > 0 && !q.roomLocked(len(it.Data)) {
		q.bytes -= int64(len(q.items[0].Data))
		q.items = q.items[1:]
		q.stats.DroppedFull++
		q.gap++
	}
	q.items = append(q.items, it)
	q.bytes += int64(len(it.Data))
	q.stats.Appended++
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
