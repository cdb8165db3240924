package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"sensorgate/broker"
	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// maxOrders is how many commands may wait for one device. One more is refused: who
// sends faster than a relay can switch must hear of it.
const maxOrders = 16

// take accepts an order for the device and reports whether there was room. It does
// not block: it runs on the goroutine of whoever published.
func (d *device) take(m *mqtt.Message) bool {
	select {
	case d.orders <- *m:
		return true
	default:
		return false
	}
}

// obey carries out orders one after the other until ctx ends, and answers each.
func (d *device) obey(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-d.orders:
			d.order(ctx, m)
		}
	}
}

func (d *device) order(ctx context.Context, m mqtt.Message) {
	c, err := mapping.ParseCommand(d.cfg.Map, &m)
	switch {
	case m.Retain:
		err = fmt.Errorf("%w: the order was retained, and a relay must not obey yesterday's order (publish it without retain)", drivers.ErrRefused)
	case err == nil:
		err = d.runner.Command(ctx, c)
	}
	if err != nil {
		d.log.Info("order not done", "topic", m.Topic, "err", err)
	}
	// Also when we are stopping: who gave the order waits for the answer.
	d.send(context.WithoutCancel(ctx), mapping.Result(&m, c.ID, err))
}

// switchboard takes orders from the broker to the devices they are for, and refuses
// those that are for nobody or too many.
type switchboard struct {
	node   string
	broker *broker.Broker
	log    *slog.Logger
	refuse chan refusal

	mu      sync.Mutex
	devices map[string]*device // by …/set topic
	cancels map[string][]func()
}

type refusal struct {
	m   mqtt.Message
	err error
}

func newSwitchboard(node string, b *broker.Broker, log *slog.Logger) *switchboard {
	return &switchboard{
		node: node, broker: b, log: log,
		refuse:  make(chan refusal, maxOrders),
		devices: map[string]*device{},
		cancels: map[string][]func(){},
	}
}

// run answers the refused orders until ctx ends.
func (s *switchboard) run(ctx context.Context) error {
	// Whatever looks like an order by the default topics but is for nobody.
	cancel := s.broker.Subscribe(s.node+"/+/+/set", func(m *mqtt.Message) {
		if s.find(m.Topic) == nil {
			s.refused(m, fmt.Errorf("%w: no device and channel has this topic (see: sensorgate topics)", drivers.ErrRefused))
		}
	})
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-s.refuse:
			for _, answer := range mapping.Result(&r.m, "", r.err) {
				if err := s.broker.Publish(ctx, answer); err != nil {
					s.log.Warn("refusal not published", "topic", answer.Topic, "err", err)
				}
			}
		}
	}
}

// connect takes orders for all channels of d.
func (s *switchboard) connect(d *device) {
	for _, c := range d.cfg.Map.Channels {
		topic := d.cfg.Map.SetTopic(c.Name)
		s.mu.Lock()
		s.devices[topic] = d
		s.mu.Unlock()
		cancel := s.broker.Subscribe(topic, func(m *mqtt.Message) {
			if !d.take(m) {
				s.refused(m, fmt.Errorf("%w: %d orders wait already", drivers.ErrRefused, maxOrders))
			}
		})
		s.mu.Lock()
		s.cancels[d.cfg.Name] = append(s.cancels[d.cfg.Name], cancel)
		s.mu.Unlock()
	}
}

// disconnect takes no more orders for d.
func (s *switchboard) disconnect(d *device) {
	s.mu.Lock()
	cancels := s.cancels[d.cfg.Name]
	delete(s.cancels, d.cfg.Name)
	for _, c := range d.cfg.Map.Channels {
		delete(s.devices, d.cfg.Map.SetTopic(c.Name))
	}
	s.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
}

func (s *switchboard) find(topic string) *device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.devices[topic]
}

// refused queues a refusal to be answered; a flood of bad orders is answered in part.
func (s *switchboard) refused(m *mqtt.Message, err error) {
	select {
	case s.refuse <- refusal{*m, err}:
	default:
		s.log.Warn("order refused without an answer: too many at once", "topic", m.Topic)
	}
}
