package web

import "sync/atomic"

// refusal is why a request or a connection was refused, for metrics: a refusal that
// nobody can see is taken for a fault of the network.
type refusal uint8

const (
	notRefused     refusal = iota
	tooManyConns           // max_connections, or three quarters of them from one address
	tooManyStreams         // max_streams
	wrongPassword          // user name, password or token
	passwordQueue          // not looked at: the queue was full, or the address has to wait
	noRole                 // not logged in, or not allowed
	foreignHost            // a name that is not ours
	foreignPage            // a page of another site
	refusals               // how many there are
)

var refusalNames = [refusals]string{"", "connections", "streams", "password", "busy", "role", "host", "origin"}

// counts are what the server counts; the zero value is ready.
type counts struct {
	requests atomic.Uint64
	slowed   atomic.Uint64 // of them, those that had to wait (requestPace)
	refused  [refusals]atomic.Uint64
}

func (c *counts) refuse(why refusal) { c.refused[why].Add(1) }

// because notes why somebody was refused.
func (p *Problem) because(why refusal) *Problem {
	p.why = why
	return p
}
