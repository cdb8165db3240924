package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/sdnotify"
)

// heartbeatTopic carries the proof of life through the broker. It is not retained and
// begins with $, so that no wildcard of a client sees it.
const heartbeatTopic = "$SYS/sensorgate/heartbeat"

// lifeLimit is how old a proof of life may be: three heartbeats without a watchdog, and
// long enough for a commit on a bad card.
const lifeLimit = 30 * time.Second

// life is the proof that the loops turn which matter, and the only one: the service
// manager's watchdog is fed by it, and /healthz asks it. A message goes through the
// broker, and the journal's commit loop must have turned since the last look; a timer
// alone would prove nothing.
type life struct {
	notify *sdnotify.Notifier
	broker heart
	turned func() time.Time // when the journal's commit loop last turned

	mu    sync.Mutex
	proof map[string]time.Time // the newest of "broker" and "journal"; empty before the start
	turn  time.Time            // of the journal, as of the last look
}

// heart is the broker as the proof of life sees it.
type heart interface {
	publisher
	Subscribe(filter string, f func(*mqtt.Message)) (cancel func())
}

func newLife(n *sdnotify.Notifier, b heart, j *journal.Journal) *life {
	return &life{notify: n, broker: b, turned: func() time.Time { return j.Stats().LastCommit }, proof: map[string]time.Time{}}
}

// begin is the first proof: the broker listens.
func (l *life) begin() (end func()) {
	l.mu.Lock()
	l.proof["broker"], l.proof["journal"] = time.Now(), time.Now()
	l.mu.Unlock()
	return l.broker.Subscribe(heartbeatTopic, func(*mqtt.Message) { l.progress("broker") })
}

// beat asks both loops for a proof, and waits at most for limit until the broker takes
// the message.
func (l *life) beat(ctx context.Context, limit time.Duration) {
	turn := l.turned()
	l.mu.Lock()
	turned := !turn.Equal(l.turn)
	l.turn = turn
	l.mu.Unlock()
	if turned {
		l.progress("journal")
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	l.broker.Publish(ctx, mqtt.Message{Topic: heartbeatTopic}) // no answer is the answer
}

// progress is called by a loop that turns, and nowhere else.
func (l *life) progress(part string) {
	l.mu.Lock()
	l.proof[part] = time.Now()
	l.mu.Unlock()
	l.notify.Progress(part)
}

// alive returns nil while both loops have given a proof within lifeLimit.
func (l *life) alive() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.proof) == 0 {
		return errors.New("the broker has not started")
	}
	var errs []error
	for _, part := range []string{"broker", "journal"} {
		if age := time.Since(l.proof[part]); age > lifeLimit {
			errs = append(errs, fmt.Errorf("the %s's loop did not turn for %s", part, age.Round(time.Second)))
		}
	}
	return errors.Join(errs...)
}
