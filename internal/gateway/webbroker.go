package gateway

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"sensorgate/internal/mqtt"
	"sensorgate/internal/web"
)

const (
	watchTime  = time.Minute // that messages are looked at after somebody asked for topics
	maxWatched = 5000        // topics
	maxShown   = 512         // bytes of a payload
	maxTopic   = 1 << 10     // bytes of a topic; a longer one has no room
)

// webBroker is the broker as the web server sees it. While somebody looks it keeps the
// newest message of each topic; else it costs nothing.
type webBroker struct {
	g *Gateway

	mu     sync.Mutex
	newest map[string]web.Topic
	missed map[string]bool // topics without room; as many again
	cancel func()          // nil: nobody looks
	asked  time.Time
}

// Clients implements web.Broker.
func (b *webBroker) Clients() []web.Client {
	list := []web.Client{}
	for _, s := range b.g.broker.Sessions() {
		c := web.Client{Client: s.Client, User: s.User, Connected: s.Connected, Address: s.Address, Persistent: s.Persistent,
			Subscriptions: s.Subscriptions, Waiting: s.Waiting, WaitingBytes: s.WaitingBytes}
		if !s.Gone.IsZero() {
			c.Gone = &s.Gone
		}
		if !s.Expires.IsZero() {
			c.Expires = &s.Expires
		}
		list = append(list, c)
	}
	return list
}

func (b *webBroker) Disconnect(client string) error { return b.g.broker.Disconnect(client) }

func (b *webBroker) RemoveSession(ctx context.Context, client string) error {
	return b.g.broker.RemoveSession(ctx, client)
}

// Topics implements web.Broker.
func (b *webBroker) Topics(asker web.Asker, filter string) (all []web.Topic, missed int) {
	b.watch()
	newest, without := b.copies() // publishers do not wait while this one's permissions are looked up
	may := b.mayRead(asker)
	reads := func(topic string) bool { return mqtt.Match(filter, topic) && may(topic) }
	all = slices.DeleteFunc(newest, func(t web.Topic) bool { return !reads(t.Topic) })
	sort.Slice(all, func(i, k int) bool { return all[i].Topic < all[k].Topic })
	for _, topic := range without {
		if reads(topic) {
			missed++
		}
	}
	return all, missed
}

func (b *webBroker) copies() (newest []web.Topic, missed []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.newest)), slices.Collect(maps.Keys(b.missed))
}

// mayRead is what somebody may read: what a client of the broker with that login may. Who
// has none sees what belongs to the node's own devices, which the API shows anyway.
func (b *webBroker) mayRead(asker web.Asker) func(topic string) bool {
	if asker.All {
		return func(string) bool { return true }
	}
	if may, ok := b.g.broker.Reader(asker.User); ok {
		return may
	}
	own := b.g.config().Node + "/"
	return func(topic string) bool { return strings.HasPrefix(topic, own) }
}

// watch begins to look at messages, or goes on.
func (b *webBroker) watch() {
	b.mu.Lock()
	b.asked = time.Now()
	begin := b.cancel == nil
	if begin {
		b.newest, b.missed, b.cancel = map[string]web.Topic{}, map[string]bool{}, func() {}
	}
	b.mu.Unlock()
	if !begin {
		return
	}
	cancel := b.g.broker.Subscribe("#", b.take) // calls take with what is retained
	b.mu.Lock()
	b.cancel = cancel
	b.mu.Unlock()
	time.AfterFunc(watchTime, b.unwatch)
}

// unwatch ends it when nobody has asked for a while.
func (b *webBroker) unwatch() {
	b.mu.Lock()
	if left := watchTime - time.Since(b.asked); left > 0 {
		b.mu.Unlock()
		time.AfterFunc(left, b.unwatch)
		return
	}
	cancel := b.cancel
	b.newest, b.missed, b.cancel = nil, nil, nil
	b.mu.Unlock()
	cancel()
}

// take notes a message; it runs on its publisher's goroutine.
func (b *webBroker) take(m *mqtt.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.newest == nil {
		return // the last messages of a subscription that has ended
	}
	old, known := b.newest[m.Topic]
	switch {
	case m.Retain && len(m.Payload) == 0: // the retained message is removed (3.3.1.3)
		delete(b.newest, m.Topic)
		delete(b.missed, m.Topic[:min(len(m.Topic), maxTopic)])
		return
	case len(m.Topic) > maxTopic, !known && len(b.newest) >= maxWatched:
		if len(b.missed) < maxWatched {
			b.missed[strings.Clone(m.Topic[:min(len(m.Topic), maxTopic)])] = true
		}
		return
	}
	if !known {
		old.Topic = strings.Clone(m.Topic)
		delete(b.missed, old.Topic) // there is room now
	}
	shown := m.Payload[:min(len(m.Payload), maxShown)]
	for len(shown) < len(m.Payload) && len(shown) > 0 && !utf8.RuneStart(m.Payload[len(shown)]) {
		shown = shown[:len(shown)-1] // not half a letter
	}
	t := web.Topic{Topic: old.Topic, Bytes: len(m.Payload), QoS: int(m.QoS), Retained: m.Retain, Time: m.Time}
	t.Binary = !utf8.Valid(shown) || bytes.IndexByte(shown, 0) >= 0
	t.Payload = strings.ToValidUTF8(string(shown), "\uFFFD")
	if t.Time.IsZero() {
		t.Time = time.Now()
	}
	b.newest[old.Topic] = t
}

// Publish implements web.Broker.
func (b *webBroker) Publish(ctx context.Context, asker web.Asker, p web.Publication) error {
	if !asker.All {
		may, ok := b.g.broker.Writer(asker.User)
		if !ok || !may(p.Topic) {
			return fmt.Errorf("%s may not publish to %s", asker.User, p.Topic)
		}
	}
	return b.g.broker.Publish(ctx, mqtt.Message{Topic: p.Topic, Payload: []byte(p.Payload), QoS: byte(p.QoS), Retain: p.Retain, Time: time.Now()})
}
