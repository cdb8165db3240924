package gateway

import (
	"context"
	"encoding/json"
	"time"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/status"
)

// stateEvery is how often {node}/gateway/state is published when nothing changes,
// stateSoon how soon after a device's change: a hundred devices of one wire change
// together.
const (
	stateEvery = 5 * time.Minute
	stateSoon  = 10 * time.Second
)

// changed asks for the state to be published at once. It does not block.
func (g *Gateway) changed() { wake(g.stateWake) }

// deviceChanged asks for the state to be published soon. It does not block.
func (g *Gateway) deviceChanged() { wake(g.stateDue) }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// publishState publishes the gateway's own condition, retained, until ctx ends: now
// and then, and whenever an upstream or a device has changed.
func (g *Gateway) publishState(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.broker.Ready():
	}
	for g.publishJSON(ctx, "gateway/state", stateOf(g.Snapshot())); g.awaitState(ctx); {
		g.publishJSON(ctx, "gateway/state", stateOf(g.Snapshot()))
	}
	return nil
}

// awaitState waits until the state must be published again; false when ctx has ended.
func (g *Gateway) awaitState(ctx context.Context) bool {
	timer := time.NewTimer(stateEvery)
	defer timer.Stop()
	due := g.stateDue
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-g.stateWake:
			return true
		case <-due:
			timer.Reset(stateSoon)
			due = nil // what else changes until then is part of it
		}
	}
}

// gatewayState is the snapshot without its devices: each has its own status topic, and
// their number is nobody's to bound but the user's.
type gatewayState struct {
	status.Snapshot
	Devices *struct{} `json:"devices,omitempty"`
}

func stateOf(s status.Snapshot) gatewayState {
	s.Files = nil // names of files are for who may read them
	return gatewayState{Snapshot: s}
}

func (g *Gateway) publishJSON(ctx context.Context, below string, v any) {
	payload, err := json.Marshal(v)
	if err != nil {
		g.log.Error("state", "err", err)
		return
	}
	m := mqtt.Message{Topic: g.config().Node + "/" + below, Payload: payload, QoS: 1, Retain: true, Time: time.Now()}
	if err := g.broker.Publish(ctx, m); err != nil {
		if ctx.Err() == nil {
			g.log.Warn("state not published", "topic", m.Topic, "err", err)
		}
		return
	}
	g.conventions.sent("", &m)
}
