package bridge

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// gateway stands for what is around a bridge: our broker, which fills the spool and
// takes what comes down.
type gateway struct {
	t       *testing.T
	journal *journal.Journal
	queue   *journal.Queue
	bridge  *Bridge
	local   chan mqtt.Message
	refuse  error // of our broker
}

func newGateway(t *testing.T, o Options) *gateway {
	t.Helper()
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newGatewayOn(t, j, o)
}

func newGatewayOn(t *testing.T, j *journal.Journal, o Options) *gateway {
	t.Helper()
	q, err := j.OpenQueue("bridge/"+o.Name, journal.Limits{Memory: o.Store == nil})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, journal: j, queue: q, local: make(chan mqtt.Message, 1000)}
	o.Queue, o.Local = q, g
	if testing.Verbose() && o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if g.bridge, err = New(o); err != nil {
		t.Fatal(err)
	}
	return g
}

// PublishOnce is Publish: what waits here for our broker's subscribers is not stored.
func (g *gateway) PublishOnce(ctx context.Context, m mqtt.Message, _ *journal.Queue, _ uint16) (journal.Seq, error) {
	return 0, g.Publish(ctx, m)
}

// Publish is what comes down.
func (g *gateway) Publish(ctx context.Context, m mqtt.Message) error {
	if g.refuse != nil {
		return g.refuse
	}
	select {
	case g.local <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// publish is what our broker does with a message that the bridge's filters match.
func (g *gateway) publish(topic, payload string, qos byte, retain bool) {
	g.send(mqtt.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retain: retain, Time: time.Now()})
}

func (g *gateway) send(m mqtt.Message) { g.sendFor(m, nil) }

// sendFor is send with a Waiter that hears when the message is on disk.
func (g *gateway) sendFor(m mqtt.Message, w journal.Waiter) {
	rec := []journal.Record{{Data: mqtt.AppendRecord(nil, &m), To: []*journal.Queue{g.queue}, Class: journal.Event, Waiter: w}}
	if g.journal.Append(rec...) != 0 && w == nil {
		g.t.Error("the spool did not take a message")
	}
}

// run runs the bridge until the returned function is called, or the test ends.
func (g *gateway) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.bridge.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			g.t.Errorf("Run: %v", err)
		}
	})
	g.t.Cleanup(func() {
		g.bridge.SetOffline(true)
		stop()
	})
	return stop
}
