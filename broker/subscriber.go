package broker

import (
	"sync"

	"sensorgate/broker/topics"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// local is a subscriber in this process.
type local struct {
	f func(*mqtt.Message)

	mu      sync.Mutex
	ready   bool
	backlog []*mqtt.Message // what comes in while the retained messages are delivered
	ended   bool
}

func (l *local) deliver(m *mqtt.Message) {
	l.mu.Lock()
	if !l.ready {
		l.backlog = append(l.backlog, m)
		l.mu.Unlock()
		return
	}
	ended := l.ended
	l.mu.Unlock()
	if !ended {
		l.f(m)
	}
}

// spool is a bridge as a durable subscriber.
type spool struct {
	origin string
	queue  *journal.Queue
	subs   []*subscription
}

func (s *spool) filters() []*subscription {
	if s == nil {
		return nil
	}
	return s.subs
}

// subscriber is whoever has subscriptions: exactly one of the three is set.
type subscriber struct {
	session *session
	spool   *spool
	local   *local
}

// The two trees of package topics, as the broker fills them.
type (
	subscription  = topics.Subscription[subscriber]
	subscriptions = topics.Subscriptions[subscriber]
	shareGroup    = topics.Group[subscriber]
)
