package gateway

import (
	"context"
	"encoding/json"
	"time"

	"sensorgate/internal/mqtt"
)

// stateEvery is how often {node}/gateway/state is published.
const stateEvery = 5 * time.Minute

// changed asks for the state to be published soon. It does not block.
func (g *Gateway) changed() {
	select {
	case g.stateWake <- struct{}{}:
	default:
	}
}

// publishState publishes the gateway's own condition, retained, until ctx ends: now
// and then, and whenever an upstream came or went.
func (g *Gateway) publishState(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.broker.Ready():
	}
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for {
		s := g.Snapshot()
		s.Devices = nil // each has its own status topic
		g.publishJSON(ctx, "gateway/state", s)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-g.stateWake:
		}
	}
}

func (g *Gateway) publishJSON(ctx context.Context, below string, v any) {
	payload, err := json.Marshal(v)
	if err != nil {
		g.log.Error("state", "err", err)
		return
	}
	m := mqtt.Message{Topic: g.config().Node + "/" + below, Payload: payload, QoS: 1, Retain: true, Time: time.Now()}
	if err := g.broker.Publish(ctx, m); err != nil && ctx.Err() == nil {
		g.log.Warn("state not published", "topic", m.Topic, "err", err)
	}
}
