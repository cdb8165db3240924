package broker

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// Stats returns what is known of the broker at this moment.
func (b *Broker) Stats() Stats {
	c := &b.count
	s := Stats{
		Uptime:           time.Since(b.started),
		Clients:          int(c.clients.Load()),
		ClientsMax:       int(c.clientsMax.Load()),
		Subscriptions:    b.subs.Len(),
		Connections:      c.connections.Load(),
		Refused:          c.refused.Load(),
		MessagesReceived: c.packetsIn.Load(),
		MessagesSent:     c.packetsOut.Load(),
		BytesReceived:    c.bytesIn.Load(),
		BytesSent:        c.bytesOut.Load(),
		DroppedSlow:      c.slow.Load(),
		DroppedOffline:   c.offline.Load(),
		DroppedExpired:   c.expired.Load(),
		DroppedTooLarge:  c.tooLarge.Load(),
		DroppedDenied:    c.denied.Load(),
		DroppedFull:      c.full.Load(),
		SlowClosed:       c.slowClosed.Load(),
		Malformed:        c.malformed.Load(),
		RefusedMemory:    c.noMemory.Load(),
		RefusedDisk:      c.noDisk.Load(),
		Memory:           b.memory.Used(),
		MemoryLimit:      b.memory.Limit(),
		MemoryFor:        map[string]int64{},
		LongestTurn:      time.Duration(c.longestTurn.Load()),
	}
	for qos := range s.ReceivedByQoS {
		s.ReceivedByQoS[qos], s.SentByQoS[qos] = c.publishIn[qos].Load(), c.publishOut[qos].Load()
		s.PublishReceived += s.ReceivedByQoS[qos]
		s.PublishSent += s.SentByQoS[qos]
	}
	for i := range s.RefusedFor {
		s.RefusedFor[i] = c.refusedFor[i].Load()
	}
	for k := range budget.Kinds {
		s.MemoryFor[k.String()] = b.memory.UsedFor(k)
	}
	s.Retained, s.RetainedBytes = b.retained.size()
	s.Held = b.held()
	b.mu.Lock()
	s.Sessions = len(b.sessions)
	s.ListenerClients = map[string]int{}
	for _, l := range b.listeners {
		s.ListenerClients[l.String()] += b.places.takenAt(l)
	}
	b.mu.Unlock()
	return s
}

// sysEvery is how often the topics below $SYS are published; after so many times it is looked for
// retained messages that have expired.
const (
	sysEvery    = 10 * time.Second
	expiryEvery = 3
)

// sysValue is one topic below $SYS/broker/.
type sysValue struct {
	topic string
	value string
}

// sysValues returns all: first those that mosquitto's users know, then ours.
func (b *Broker) sysValues() []sysValue {
	s := b.Stats()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	n := func(topic string, v int64) sysValue { return sysValue{topic, strconv.FormatInt(v, 10)} }
	u := func(topic string, v uint64) sysValue { return sysValue{topic, strconv.FormatUint(v, 10)} }
	return []sysValue{
		{"version", "sensorgate version " + b.version},
		{"uptime", fmt.Sprintf("%d seconds", int64(s.Uptime/time.Second))},
		n("clients/total", int64(s.Sessions)),
		n("clients/connected", int64(s.Clients)),
		n("clients/active", int64(s.Clients)), // mosquitto's older names
		n("clients/disconnected", int64(s.Sessions-s.Clients)),
		n("clients/inactive", int64(s.Sessions-s.Clients)),
		n("clients/maximum", int64(s.ClientsMax)),
		u("messages/received", s.MessagesReceived),
		u("messages/sent", s.MessagesSent),
		u("publish/messages/received", s.PublishReceived),
		u("publish/messages/sent", s.PublishSent),
		u("publish/messages/dropped", s.Dropped()),
		u("bytes/received", s.BytesReceived),
		u("bytes/sent", s.BytesSent),
		n("subscriptions/count", int64(s.Subscriptions)),
		n("retained messages/count", int64(s.Retained)),
		n("store/messages/bytes", s.RetainedBytes),
		u("heap/current", mem.HeapAlloc),
		n("memory/used", s.Memory),
		n("memory/limit", s.MemoryLimit),
		u("connections/refused for memory", s.RefusedMemory),
		u("connections/refused for disk", s.RefusedDisk),
		n("loop/longest turn microseconds", s.LongestTurn.Microseconds()),
		u("dropped/slow", s.DroppedSlow),
		u("dropped/offline", s.DroppedOffline),
		u("dropped/expired", s.DroppedExpired),
		u("dropped/too large", s.DroppedTooLarge),
		u("dropped/denied", s.DroppedDenied),
		u("dropped/full", s.DroppedFull),
		u("clients/slow disconnected", s.SlowClosed),
		u("clients/malformed", s.Malformed),
		u("connections/accepted", s.Connections),
		u("connections/refused", s.Refused),
	}
}

// report publishes the topics below $SYS, and writes to the log what was dropped, as long as
// there is something new to say.
func (b *Broker) report(ctx context.Context) {
	ticker := time.NewTicker(sysEvery)
	defer ticker.Stop()
	var reported Stats
	for n := 0; ; n++ {
		b.publishSys()
		if n%expiryEvery == 0 {
			b.dropExpired()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		reported = b.logDrops(reported)
	}
}

func (b *Broker) publishSys() {
	if !b.subs.AnyBelow("$SYS") {
		return // nobody asks, and a new subscriber gets them then
	}
	w := b.worker()
	defer w.release()
	for _, v := range b.sysValues() {
		p := &w.pub
		*p = publication{route: w.routeString("$SYS/broker/" + v.topic), payload: []byte(v.value), at: w.now}
		w.publish(p, nil, 0)
	}
}

// sysKept are the values of $SYS for new subscribers. To work them out stops the whole program
// for a moment, so what is less than sysFresh old serves all. The zero value is ready.
type sysKept struct {
	mu   sync.Mutex
	at   time.Time
	list []*retained
}

const sysFresh = time.Second

// sysRetained returns what a new subscriber to a filter below $SYS gets first.
func (b *Broker) sysRetained(filter string) (found []*retained) {
	if len(filter) < 4 || filter[:4] != "$SYS" {
		return nil
	}
	k := &b.sys
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); k.list == nil || now.Sub(k.at) >= sysFresh {
		k.list, k.at = k.list[:0:0], now
		for _, v := range b.sysValues() {
			k.list = append(k.list, keep(&publication{route: &route{topic: "$SYS/broker/" + v.topic}, payload: []byte(v.value), at: now}))
		}
	}
	for _, r := range k.list {
		if mqtt.Match(filter, r.topic) {
			found = append(found, r)
		}
	}
	return found
}

// logDrops reports what was dropped since the last time: one line per interval, however
// many messages it were.
func (b *Broker) logDrops(reported Stats) Stats {
	s := b.Stats()
	if s.Dropped() == reported.Dropped() {
		return s
	}
	b.log.Warn("messages not delivered",
		"slow", s.DroppedSlow-reported.DroppedSlow, "offline", s.DroppedOffline-reported.DroppedOffline,
		"expired", s.DroppedExpired-reported.DroppedExpired, "too_large", s.DroppedTooLarge-reported.DroppedTooLarge,
		"denied", s.DroppedDenied-reported.DroppedDenied, "full", s.DroppedFull-reported.DroppedFull)
	return s
}
