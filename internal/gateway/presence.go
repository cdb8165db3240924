package gateway

import (
	"context"
	"time"

	"sensorgate/internal/mqtt"
)

// The payloads of {node}/status. A bridge says the same at its upstream, where the last
// will is what says offline; here nobody but this process could publish a will.
const (
	online  = "online"
	offline = "offline"
)

// publishPresence keeps {node}/status until ctx ends: it begins after the broker and ends
// before it, when the devices have said their last word.
func (g *Gateway) publishPresence(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.broker.Ready():
	}
	say := func(ctx context.Context, payload string) {
		m := mqtt.Message{Topic: g.config().Node + "/status", Payload: []byte(payload), QoS: 1, Retain: true, Time: time.Now()}
		if err := g.broker.Publish(ctx, m); err != nil && ctx.Err() == nil {
			g.log.Warn("status not published", "topic", m.Topic, "err", err)
		}
	}
	say(ctx, online)
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	say(last, offline)
	return nil
}
