package bench

import (
	"context"
	"testing"
	"time"
)

func TestSinkCountsAndChecks(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s := NewSink("127.0.0.1:0")
	listening, over := make(chan struct{}), make(chan error, 1)
	go func() { over <- s.Run(ctx, listening) }()
	<-listening
	send := func(first, n int) {
		t.Helper()
		c, err := dial(ctx, s.Addr, "p")
		if err != nil {
			t.Fatal(err)
		}
		defer c.nc.Close()
		w := Workload{Publishers: 1, QoS: 1, Size: 64, Window: 10, Messages: first + n}
		p := newPublisher(c, 3, &w, nil)
		p.number = first
		if err := p.run(); err != nil {
			t.Fatal(err)
		}
	}
	s.Reset(3)
	send(0, 100)
	if got := s.Tally(); got.Got != 100 || got.Wrong != 0 || got.Bytes != 6400 {
		t.Errorf("%+v", got)
	}
	if p50, p99 := s.Percentiles(); p50 <= 0 || p99 < p50 {
		t.Errorf("latency %v %v", p50, p99)
	}
	send(105, 10) // five are missing
	if got := s.Tally(); got.Got != 110 || got.Wrong != 1 {
		t.Errorf("a gap is not seen: %+v", got)
	}
	s.Idle(true)
	if _, err := dial(ctx, s.Addr, "p"); err == nil {
		t.Error("an idle sink takes connections")
	}
	s.Idle(false)
	send(115, 1)
	if err := s.Wait(ctx, func(t Tally) bool { return t.Got == 111 }); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
}
