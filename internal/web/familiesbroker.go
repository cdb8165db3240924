package web

import (
	"maps"
	"slices"
	"strconv"

	"sensorgate/internal/status"
)

// byReason adds a sample for each reason, in the order of their names.
func byReason(f *Family, counts map[string]uint64, labels ...string) {
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		f.Add(float64(counts[why]), append(slices.Clone(labels), "reason", why)...)
	}
}

func brokerFamilies(b *status.Broker, c *status.BrokerCounts) []Family {
	received := counter("broker_received", "Messages that clients and devices published.", "")
	sent := counter("broker_sent", "Messages that were sent to subscribers.", "")
	for qos := range c.ReceivedByQoS {
		received.Add(float64(c.ReceivedByQoS[qos]), "qos", strconv.Itoa(qos))
		sent.Add(float64(c.SentByQoS[qos]), "qos", strconv.Itoa(qos))
	}
	dropped := counter("broker_dropped", "Messages that a subscriber did not get.", "")
	byReason(&dropped, c.DroppedFor)
	refused := counter("broker_refused", "Connections that ended before or by the answer to CONNECT.", "")
	byReason(&refused, c.RefusedFor)
	listeners := gauge("broker_listener_clients", "Clients that are connected, by the listener through which they came.", "")
	for _, l := range slices.Sorted(maps.Keys(c.ListenerClients)) {
		listeners.Add(float64(c.ListenerClients[l]), "listener", l)
	}
	return []Family{
		one(gauge("broker_clients", "Clients that are connected.", ""), float64(b.Clients)),
		listeners,
		one(gauge("broker_sessions", "Sessions, connected or kept for a client that is away.", ""), float64(b.Sessions)),
		one(gauge("broker_subscriptions", "Subscriptions of all sessions.", ""), float64(b.Subscriptions)),
		one(gauge("broker_retained_messages", "Retained messages.", ""), float64(b.Retained)),
		one(gauge("broker_retained_bytes", "Bytes of the retained messages.", "bytes"), float64(c.RetainedBytes)),
		received, sent, dropped,
		one(counter("broker_received_bytes", "Bytes that clients sent.", "bytes"), float64(c.BytesReceived)),
		one(counter("broker_sent_bytes", "Bytes that were sent to clients.", "bytes"), float64(c.BytesSent)),
		one(counter("broker_connections", "Connections that listeners accepted.", ""), float64(c.Connections)),
		refused,
		one(counter("broker_closed_slow", "Clients that were disconnected because too much waited for them.", ""), float64(c.SlowClosed)),
		one(counter("broker_closed_malformed", "Connections that were closed for a violation of the protocol.", ""), float64(c.Malformed)),
		one(gauge("broker_longest_turn_seconds", "Longest turn of an event loop since the start.", "seconds"), b.LongestTurn/1000),
	}
}

// budgetFamilies are about what clients make the broker remember.
func budgetFamilies(b *status.Broker) []Family {
	memory := gauge("broker_memory_bytes", "What clients make the broker remember, estimated, by what it is for.", "bytes")
	for _, use := range slices.Sorted(maps.Keys(b.MemoryFor)) {
		memory.Add(float64(b.MemoryFor[use]), "use", use)
	}
	return []Family{
		memory,
		one(gauge("broker_memory_limit_bytes", "The bound of that: memory in [broker].", "bytes"), float64(b.MemoryLimit)),
		one(counter("broker_memory_refused", "Connections for which the memory or the number of sessions had no room.", ""), float64(b.RefusedMemory)),
	}
}

func upstreamFamilies(upstreams []status.Upstream) []Family {
	up := gauge("bridge_up", "1 if the upstream is connected.", "")
	connects := counter("bridge_connects", "Connections that the upstream accepted.", "")
	inFlight := gauge("bridge_inflight", "Messages that wait for the upstream's acknowledgement.", "")
	acked := counter("bridge_acked", "Messages that the upstream acknowledged.", "")
	received := counter("bridge_received", "Messages that came from the upstream.", "")
	ignored := counter("bridge_ignored", "Messages from the upstream that were not taken: echoes, loops, stale commands.", "")
	waiting := gauge("spool_messages", "Messages that wait for the upstream.", "")
	bytes := gauge("spool_bytes", "Bytes that wait for the upstream.", "bytes")
	limit := gauge("spool_limit_bytes", "Bytes that may wait for the upstream.", "bytes")
	dropped := counter("spool_dropped", "Messages that the upstream will never get.", "")
	oldest := gauge("bridge_backlog_oldest_timestamp_seconds", "Time of the oldest message that waits.", "seconds")
	for _, u := range upstreams {
		up.Add(truth(u.Connected), "upstream", u.Name)
		connects.Add(float64(u.Connects), "upstream", u.Name)
		inFlight.Add(float64(u.InFlight), "upstream", u.Name)
		acked.Add(float64(u.Sent), "upstream", u.Name)
		received.Add(float64(u.Received), "upstream", u.Name)
		ignored.Add(float64(u.Ignored), "upstream", u.Name)
		waiting.Add(float64(u.Waiting), "upstream", u.Name)
		bytes.Add(float64(u.WaitingBytes), "upstream", u.Name)
		limit.Add(float64(u.Limit), "upstream", u.Name)
		byReason(&dropped, u.DroppedFor, "upstream", u.Name)
		if !u.Oldest.IsZero() {
			oldest.Add(unixTime(u.Oldest), "upstream", u.Name)
		}
	}
	return []Family{up, connects, inFlight, acked, received, ignored, waiting, bytes, limit, dropped, oldest}
}
