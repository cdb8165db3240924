package web

import (
	"net/http"
	"sync"
	"time"
)

// pace bounds how often something may be done: a number of times at once, and then once
// in a while.
type pace struct {
	most  float64
	every time.Duration

	mu   sync.Mutex
	left float64
	at   time.Time
}

func newPace(most int, every time.Duration) *pace {
	return &pace{most: float64(most), every: every, left: float64(most)}
}

// take reports whether it may be done now, and counts it.
func (p *pace) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.at.IsZero() {
		p.left = min(p.most, p.left+float64(now.Sub(p.at))/float64(p.every))
	}
	p.at = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}

func tooOften(what string) *Problem {
	return problem(http.StatusTooManyRequests, what+" too often", "", "again in a few seconds")
}
