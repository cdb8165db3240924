package journal

import (
	"context"
	"testing"
)

// A consumer that acknowledges while a segment fills up: what the rotation completes
// may be followed by records that nobody needs any more, and the commit must go on
// behind them.
func TestAcknowledgedWhileRotating(t *testing.T) {
	j, err := Open(Options{Dir: t.TempDir(), Size: 64 << 20, SegmentSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	q, err := j.OpenQueue("q", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		var buf []Item
		for n := 0; n < 60_000; {
			<-q.Wake()
			for {
				buf, _ = q.Read(0, 256, buf[:0])
				if len(buf) == 0 {
					break
				}
				for _, it := range buf {
					q.Ack(it.Seq)
				}
				n += len(buf)
			}
		}
	}()
	data := make([]byte, 300)
	for range 1000 {
		recs := make([]Record, 60)
		for i := range recs {
			recs[i] = Record{Data: data, To: []*Queue{q}, Class: Event}
		}
		if n := j.Append(recs...); n != 0 {
			t.Fatalf("%d records refused", n)
		}
	}
	<-acked
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
