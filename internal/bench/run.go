package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Run returns the workload to the broker at addr. cpu tells the processor time that the
// broker has used; it may be nil.
func Run(ctx context.Context, w Workload, addr string, cpu func() time.Duration) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	r := Result{Workload: w.Name, Messages: w.Messages}
	if w.Size < stampSize || w.Publishers < 1 || w.Subscribers < 1 || w.Messages < w.Publishers {
		return r, fmt.Errorf("workload %s: too small to be measured", w.Name)
	}
	subs, pubs, err := w.connect(ctx, addr)
	defer func() {
		for _, s := range subs {
			_ = s.nc.Close()
		}
		for _, p := range pubs {
			_ = p.nc.Close()
		}
	}()
	if err != nil {
		return r, err
	}
	stop := context.AfterFunc(ctx, func() {
		for _, s := range subs {
			_ = s.nc.SetDeadline(time.Unix(1, 0))
		}
		for _, p := range pubs {
			_ = p.nc.SetDeadline(time.Unix(1, 0))
			if p.credit != nil {
				p.credit.end()
			}
		}
	})
	defer stop()

	used := time.Duration(0)
	if cpu != nil {
		used = cpu()
	}
	start := time.Now()
	err = runBoth(subs, pubs)
	end := start
	for _, s := range subs {
		r.Delivered += s.got
		r.Lost += s.wrong
		if s.last.After(end) {
			end = s.last
		}
	}
	r.Lost += w.Messages/w.Publishers*w.Publishers*w.Subscribers - r.Delivered
	r.Seconds = end.Sub(start).Seconds()
	if cpu != nil && r.Delivered > 0 {
		r.CPUPerMillion = (cpu() - used).Seconds() / float64(r.Delivered) * 1e6
	}
	if r.Seconds > 0 {
		r.PerSecond = float64(r.Delivered) / r.Seconds
	}
	r.P50, r.P99 = percentiles(subs)
	return r, err
}

func (w *Workload) connect(ctx context.Context, addr string) (subs []*subscriber, pubs []*publisher, err error) {
	var cr *credit
	if w.QoS == 0 && w.Rate == 0 {
		cr = newCredit(FreeWindow)
	}
	for i := range w.Subscribers {
		c, err := dial(ctx, addr, fmt.Sprintf("bench-sub-%d", i))
		if err != nil {
			return subs, pubs, err
		}
		s := &subscriber{client: c, work: w, next: make([]uint32, w.Publishers)}
		subs = append(subs, s)
		if i == 0 {
			// The first one stands for all: broadcast goes to them in turn.
			s.credit = cr
		}
		if err := c.subscribe("bench/+", w.QoS); err != nil {
			return subs, pubs, err
		}
	}
	for i := range w.Publishers {
		c, err := dial(ctx, addr, fmt.Sprintf("bench-pub-%d", i))
		if err != nil {
			return subs, pubs, err
		}
		pubs = append(pubs, newPublisher(c, i, w, cr))
	}
	return subs, pubs, nil
}

func runBoth(subs []*subscriber, pubs []*publisher) error {
	errs := make(chan error, len(subs)+len(pubs))
	for _, s := range subs {
		go func() { errs <- s.run() }()
	}
	for _, p := range pubs {
		go func() { errs <- p.run() }()
	}
	var all []error
	for range cap(errs) {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func percentiles(subs []*subscriber) (p50, p99 float64) {
	var all []float64
	for _, s := range subs {
		all = append(all, s.latency...)
	}
	return quantiles(all)
}

func quantiles(all []float64) (p50, p99 float64) {
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}
