package gateway

import (
	"sync/atomic"
	"time"
)

// flood counts what may come too often for a line of the log each, and what is seen by an
// event loop, which must not wait for the log.
type flood struct {
	n      atomic.Int64
	report func(n int64)
}

// reportFlood is how long it is counted before the log has one line for all.
const reportFlood = 10 * time.Second

func (f *flood) add() {
	if f.n.Add(1) == 1 {
		time.AfterFunc(reportFlood, func() { f.report(f.n.Swap(0)) })
	}
}
