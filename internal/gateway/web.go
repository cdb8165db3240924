package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/history"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/status"
	"sensorgate/internal/web"
)

// webSide is the gateway as the web server sees it.
type webSide struct {
	g         *Gateway
	described atomic.Pointer[described]
}

// described is the description of a configuration, made once: it is asked for with every
// request, and with a thousand channels it is a megabyte.
type described struct {
	of   *config.Config
	node describe.Node
}

func (w *webSide) Snapshot() status.Snapshot { return w.g.Snapshot() }
func (w *webSide) History() *history.Store   { return w.g.keeper.store.Load() }

// Describe implements web.Gateway. Who gets the description changes nothing in it.
func (w *webSide) Describe() describe.Node {
	c := w.g.config()
	d := w.described.Load()
	if d == nil || d.of != c {
		d = &described{c, describe.Of(c)}
		w.described.Store(d)
	}
	return d.node
}

// Command sends a command as a client of the broker would, so that it passes the same
// checks, and waits for its result.
func (w *webSide) Command(ctx context.Context, c web.Command) (web.Result, error) {
	d, ok := deviceNamed(w.g.config(), c.Device)
	if !ok {
		return web.Result{}, fmt.Errorf("device %s is gone", c.Device)
	}
	id := rand.Text()
	body, err := json.Marshal(map[string]any{"value": c.Value, "id": id, "expires": c.Timeout.String()})
	if err != nil {
		return web.Result{}, err
	}
	results := make(chan web.Result, 1)
	cancel := w.g.broker.Subscribe(d.Map.ResultTopic(c.Channel), func(m *mqtt.Message) {
		var r struct {
			web.Result
			ID string `json:"id"`
		}
		if json.Unmarshal(m.Payload, &r) == nil && r.ID == id {
			select {
			case results <- r.Result:
			default:
			}
		}
	})
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, c.Timeout)
	defer stop()
	m := mqtt.Message{Topic: d.Map.SetTopic(c.Channel), Payload: body, QoS: 1, Time: time.Now()}
	if err := w.g.broker.Publish(ctx, m); err != nil {
		return web.Result{}, err
	}
	select {
	case r := <-results:
		return r, nil
	case <-ctx.Done():
		return web.Result{Result: "timeout", Reason: fmt.Sprintf("no answer within %s", c.Timeout)}, nil
	}
}

// Alive is the watchdog's answer.
func (w *webSide) Alive() error { return w.g.life.alive() }

// Ready reports what keeps the gateway from its work.
func (w *webSide) Ready() error {
	var errs []error
	select {
	case <-w.g.broker.Ready():
	default:
		errs = append(errs, errors.New("the broker does not listen yet"))
	}
	if failed := w.g.journal.Stats().Failed; failed != nil {
		errs = append(errs, fmt.Errorf("journal: %w", failed))
	}
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	if w.g.configErr != nil {
		errs = append(errs, errors.New("the last reload was refused: another configuration runs than that on the disk"))
	}
	return errors.Join(errs...)
}

// webUsers are the users of the broker.
type webUsers struct{ g *Gateway }

func (u webUsers) Verify(ctx context.Context, user string, password []byte, from netip.Addr) error {
	err := u.g.broker.Verify(ctx, user, password, from)
	if errors.Is(err, broker.ErrBusy) {
		return fmt.Errorf("%w: %w", web.ErrBusy, err)
	}
	return err
}

func (u webUsers) Stamp(user string) string { return u.g.broker.HashOf(user) }
