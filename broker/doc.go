// Package broker is the local MQTT server, for protocol levels 3.1, 3.1.1 and 5.
//
// # Nouns
//
// A listener is one place where clients connect. A conn is one network connection after
// its CONNECT was accepted; how its bytes get to the network is its link. A session is
// what the broker keeps of one client id; a durable one outlives its connection. A route
// is where the messages of one topic go; a target is one session in it, with all that
// its overlapping subscriptions ask for. A worker is what a goroutine needs to carry
// messages. A spool is a bridge as a consumer, a local is a subscriber in this process.
//
// # The way of a message
//
//	socket ─▶ conn.input ─▶ handlePublish ─▶ route ─┬─▶ connected sessions: their output
//	                                                ├─▶ locals: called
//	                                                └─▶ durable consumers: one record, at the end of the batch
//	end of the batch: records appended, records given to sessions that have nothing
//	older waiting, every touched connection flushed once, acknowledgements sent that
//	wait for nothing. The others go out when the journal says that it has the record.
//
// A batch is what one read gave. Routes are remembered per worker and are good until the
// generation of the subscriptions moves; rights are part of the route, so that checking
// them at every delivery costs nothing per message. Packets that are the same for all
// receivers are encoded once; those that come in as they go out not at all.
//
// # Who runs what
//
// New reads files and restores sessions and retained messages from the journal; it starts
// nothing. Run starts, and waits for: one goroutine per listener that accepts; one per
// connection until its CONNECT is accepted; one or more event loops that serve all plain
// TCP and Unix connections from then on; two goroutines per TLS or WebSocket connection;
// and one that publishes $SYS and logs drops. Publish, Attach and Subscribe work on the
// goroutine of their caller. Expiry and delayed wills are timers.
//
// Locks, outermost first: Broker.mu (sessions, connections), Broker.durable (order of
// records), session.mu (one session and the output of its connection), retained and
// subscriptions; innermost are the ackQueue, seqSet and the loop's mailbox, because the
// journal calls in with its own lock held.
//
// # A session
//
//	        attach                    teardown, session goes on
//	(new) ─────────▶ connected ──────────────────────────────▶ waiting ──▶ expired, removed
//	                     │  ▲                                     │
//	                     │  └─────────────── attach ──────────────┘
//	                     └─ teardown, session ends ─▶ removed
//
// A take-over is: ask the old connection to end, wait until its teardown is over, attach.
// So a client's messages are handled in order over reconnects.
//
// A message towards a client of QoS 1 or 2:
//
//	queued ─▶ sent ─ PUBACK ─▶ done
//	              └─ PUBREC ─▶ released, PUBREL sent when that is on disk ─ PUBCOMP ─▶ done
//
// The packet id of a record follows from its number in the journal (session.go), so it is
// the same after a restart without having been written. A durable session that keeps up
// is given messages from memory (live); one that does not is read to from its queue,
// and is live again when nothing is left there.
//
// # What survives
//
// A power cut: what was acknowledged to a publisher with PUBACK or PUBREC, for all durable
// consumers; subscriptions once SUBACK was sent; retained messages; which QoS 2 messages
// were received (the publisher's session is itself a consumer of the record, so message
// and packet id survive together) and which were completed. QoS 2 towards a durable
// session waits for the disk before it is sent, because a message that was seen and then
// lost would come again under another id; QoS 1 does not wait.
//
// Not: what waits for a session that is not durable; delayed wills, and the wills of
// clients that were connected when the power went; which messages were sent once before
// (after a restart up to a window of them is marked DUP).
//
// # If somebody is slow
//
// A client that does not read: QoS 0 to it is dropped beyond 1 MB; QoS 1 and 2 of a
// durable session stay in the journal, bounded by MaxQueued (the oldest go); of another
// one they are kept up to 32 MB, then it is disconnected. All clients together may have
// 64 MB waiting; beyond that each has 64 KB. No publisher waits for a subscriber. A
// journal that is behind holds up the publishers of durable messages, and with them the
// event loop they are on. Every drop is a counter in Stats and $SYS, and in the log at
// most every ten seconds.
//
// # What is not done
//
// Enhanced authentication (AUTH) is refused. Response information is not offered. Server
// redirection is not used. A will that belongs to a session restored after a crash is not
// published. Listeners cannot be added or removed without a restart.
package broker
