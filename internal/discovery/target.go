package discovery

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Document is one retained message.
type Document struct {
	Topic   string
	Payload []byte
	Parts   Parts // what it describes; nil: only itself

	// Elsewhere: somebody else publishes it, as it comes. It is only listed, so that it goes
	// away with the rest.
	Elsewhere bool
}

// Message is what a Target publishes: retained, or with no payload the removal of what is.
type Message struct {
	Topic   string
	Payload []byte
}

// Convention is what a kind of document needs besides being published.
type Convention interface {
	// Without is a payload of d that says of the parts that they are gone; nil: leaving
	// them out is enough.
	Without(d *Document, parts Parts) []byte

	// Moving is what has to be on the topic of an earlier document while the wanted ones
	// take over what it described; nil: it is removed first.
	Moving(topic string, parts Parts, wanted []Document) []byte

	// Before reports whether the removal of a must go before that of b.
	Before(a, b string) bool

	// Heralds reports whether what is on a topic says that what it describes is about to
	// change: it goes before all removals.
	Heralds(topic string) bool
}

// Target is a broker to which documents go.
type Target struct {
	// Publish returns when the broker has taken all of ms, in their order.
	Publish func(ctx context.Context, ms []Message) error

	// Load and Save keep the ledger. Save returns when it is on the disk, or cannot be.
	Load func() Ledger
	Save func(ctx context.Context, l Ledger) error

	// Pause is how long a controller gets to take over what moves from one topic to
	// another; 0 is none.
	Pause time.Duration
}

// Bring publishes the wanted documents and removes what is there and not wanted. It may be
// called again at any time, also when an earlier call did not come to its end.
func (t *Target) Bring(ctx context.Context, wanted []Document, c Convention) error {
	was := t.Load()
	keep := make(Ledger, len(wanted))
	both := was.Clone()
	for i := range wanted {
		d := &wanted[i]
		keep[d.Topic] = d.Parts
		both[d.Topic] = union(was[d.Topic], d.Parts)
	}
	if err := t.Save(ctx, both); err != nil {
		return fmt.Errorf("list of what is published: %w", err)
	}
	leaving := was.Clone()
	for topic := range keep {
		delete(leaving, topic)
	}
	moving, removals := split(leaving, wanted, c)
	if err := t.Publish(ctx, heralds(was, wanted, c)); err != nil {
		return err
	}
	if err := t.Publish(ctx, removals); err != nil { // before what may take their place
		return err
	}
	if err := t.Publish(ctx, moving); err != nil {
		return err
	}
	if err := t.Publish(ctx, documents(was, wanted, c)); err != nil {
		return err
	}
	if err := t.finish(ctx, moving); err != nil {
		return err
	}
	return t.Save(ctx, keep)
}

// heralds are those of the wanted documents that were there and go before the removals.
func heralds(was Ledger, wanted []Document, c Convention) (ms []Message) {
	for i := range wanted {
		d := &wanted[i]
		if _, there := was[d.Topic]; there && !d.Elsewhere && c.Heralds(d.Topic) {
			ms = append(ms, Message{d.Topic, d.Payload})
		}
	}
	return ms
}

// split divides what leaves into what moves to another topic and what is only removed.
func split(leaving Ledger, wanted []Document, c Convention) (moving, removals []Message) {
	topics := leaving.Topics()
	SortForRemoval(topics, c)
	for _, topic := range topics {
		if p := c.Moving(topic, leaving[topic], wanted); p != nil {
			moving = append(moving, Message{topic, p})
			continue
		}
		removals = append(removals, Message{Topic: topic})
	}
	return moving, removals
}

// SortForRemoval sorts topics in the order in which a convention wants them removed.
func SortForRemoval(topics []string, c Convention) {
	slices.SortStableFunc(topics, func(a, b string) int {
		switch {
		case c.Before(a, b):
			return -1
		case c.Before(b, a):
			return 1
		}
		return 0
	})
}

// documents are the wanted ones, each that has lost parts with a farewell to them before.
func documents(was Ledger, wanted []Document, c Convention) []Message {
	var ms []Message
	for i := range wanted {
		d := &wanted[i]
		if d.Elsewhere {
			continue
		}
		if lost := gone(was[d.Topic], d.Parts); len(lost) > 0 {
			if p := c.Without(d, lost); p != nil {
				ms = append(ms, Message{d.Topic, p})
			}
		}
		ms = append(ms, Message{d.Topic, d.Payload})
	}
	return ms
}

// finish removes what has moved, when the controller had time to take it over.
func (t *Target) finish(ctx context.Context, moved []Message) error {
	if len(moved) == 0 {
		return nil
	}
	if t.Pause > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(t.Pause):
		}
	}
	for i := range moved {
		moved[i].Payload = nil
	}
	return t.Publish(ctx, moved)
}
