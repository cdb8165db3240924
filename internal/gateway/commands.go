package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sensorgate/broker"
	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// maxCommands is how many commands may wait for one device. One more is refused: who
// sends faster than a relay can switch must learn it.
const maxCommands = 16

// take accepts a command for the device and reports whether there was room. It does
// not block: it runs on the goroutine of whoever published.
func (d *device) take(m *mqtt.Message) bool {
	select {
	case d.commands <- *m:
		return true
	default:
		return false
	}
}

// executeAll executes commands one after the other until ctx ends, and answers each.
func (d *device) executeAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-d.commands:
			d.execute(ctx, m)
		}
	}
}

func (d *device) execute(ctx context.Context, m mqtt.Message) {
	var c drivers.Command
	err := drivers.Guard(func() (err error) {
		c, err = mapping.ParseCommand(d.cfg.Map, &m, time.Now())
		return err
	})
	switch {
	case m.Retain:
		err = fmt.Errorf("%w: the command was retained, and a relay must not execute yesterday's command (publish it without retain)", drivers.ErrRefused)
	case err == nil:
		err = d.runner.Command(ctx, c)
	}
	if err != nil {
		d.log.Info("command not done", "topic", m.Topic, "err", err)
	}
	// Also when we are stopping: who sent the command waits for the answer.
	d.counted.command(err)
	d.send(context.WithoutCancel(ctx), d.may.answers(&m, mapping.Result(&m, c.ID, err, time.Now()), d.log))
}

// commandRouter takes commands from the broker to the devices they are for, and refuses
// those that are for nobody or too many.
type commandRouter struct {
	node    string
	broker  *broker.Broker
	may     mayAnswer
	counted *counted
	log     *slog.Logger
	refuse  chan refusal
	crowded flood // refused without an answer

	mu      sync.Mutex
	devices map[string]*device // by …/set topic
	cancels map[string][]func()
}

type refusal struct {
	m   mqtt.Message
	err error
}

func newCommandRouter(node string, b *broker.Broker, may mayAnswer, c *counted, log *slog.Logger) *commandRouter {
	return &commandRouter{
		node: node, broker: b, may: may, counted: c, log: log,
		refuse: make(chan refusal, maxCommands),
		crowded: flood{report: func(n int64) {
			log.Warn("commands refused without an answer: too many at once", "commands", n)
		}},
		devices: map[string]*device{},
		cancels: map[string][]func(){},
	}
}

// run answers the refused commands until ctx ends.
func (r *commandRouter) run(ctx context.Context) error {
	// Whatever looks like a command by the default topics but is for nobody.
	cancel := r.broker.Subscribe(r.node+"/+/+/set", func(m *mqtt.Message) {
		if r.find(m.Topic) == nil {
			r.refused(m, fmt.Errorf("%w: no device and channel has this topic (see: sensorgate topics)", drivers.ErrRefused))
		}
	})
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-r.refuse:
			for _, answer := range r.may.answers(&f.m, mapping.Result(&f.m, "", f.err, time.Now()), r.log) {
				if err := r.broker.Publish(ctx, answer); err != nil {
					r.log.Warn("refusal not published", "topic", answer.Topic, "err", err)
				}
			}
		}
	}
}

// connect takes commands for all channels of d.
func (r *commandRouter) connect(d *device) {
	for _, c := range d.cfg.Map.Channels {
		topic := d.cfg.Map.SetTopic(c.Name)
		r.mu.Lock()
		r.devices[topic] = d
		r.mu.Unlock()
		cancel := r.broker.Subscribe(topic, func(m *mqtt.Message) {
			if !d.take(m) {
				r.refused(m, fmt.Errorf("%w: %d commands wait already", drivers.ErrRefused, maxCommands))
			}
		})
		r.mu.Lock()
		r.cancels[d.cfg.Name] = append(r.cancels[d.cfg.Name], cancel)
		r.mu.Unlock()
	}
}

// disconnect takes no more commands for d.
func (r *commandRouter) disconnect(d *device) {
	r.mu.Lock()
	cancels := r.cancels[d.cfg.Name]
	delete(r.cancels, d.cfg.Name)
	for _, c := range d.cfg.Map.Channels {
		delete(r.devices, d.cfg.Map.SetTopic(c.Name))
	}
	r.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
}

func (r *commandRouter) find(topic string) *device {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.devices[topic]
}

// refused queues a refusal to be answered; a flood of bad commands is answered in part.
func (r *commandRouter) refused(m *mqtt.Message, err error) {
	r.counted.command(err)
	select {
	case r.refuse <- refusal{*m, err}:
	default:
		r.crowded.add()
	}
}
