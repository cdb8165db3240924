// Package broker is the local MQTT server, for protocol levels 3.1, 3.1.1 and 5.
//
// # Nouns
//
// A listener is one place where clients connect. A conn is one network connection after
// its CONNECT was accepted; a writer, which is a socket or a stream, carries its bytes to
// the network. A session is what the broker keeps of one client id; a persistent one
// outlives its connection. A subscriber is a session, a spool (a bridge) or a local (a
// part of this process); a durable subscriber, a persistent session or a spool, has a
// queue in the journal. A route is where the messages of one topic go; a target is one
// session in it, with all that its overlapping subscriptions ask for. A worker is what a
// goroutine needs to carry messages.
//
// # Order of the files
//
// From the bottom to the top. A file uses what stands before it; TestFilesKeepTheirOrder
// counts what does not. The packages permissions, passwd and topics are below all of it.
//
//	what is configured    limits options portowner tls listener
//	small values          logins stats aliases seqstep inflight qos2 acks wheel unsettled ondisk
//	nouns                 subscriber broker session conn memory output route publication pending retained
//	delivery              worker aside deliver exact durable retain fanout publish local
//	sessions              subscribe will held ends persist settle storedwill
//	packets               walk expired acknowledge handle_ack handle_subscribe handle_publish handle
//	connections           admission verify login attach loop stream socket turn websocket accept
//	the whole             sys sessions reload taken run
//
// # The way of a published reading
//
//	Broker.Publish          local.go        the goroutine of the device; a client comes from
//	  │                                     conn.input (handle.go) and handlePublish instead
//	  ├ worker.routeString  worker.go       remembered; Broker.routeFor (route.go) works it out
//	  ├ worker.publish      publish.go      everybody who is there
//	  │   ├ worker.retain   retain.go       if the retain flag is set: tree, then journal
//	  │   ├ worker.deliverAll fanout.go      each session and group of the route; many in turns
//	  │   │   └ worker.deliver  deliver.go  connected and not stored: into its output
//	  │   ├ local.deliver   subscriber.go   a function of this process is called
//	  │   └ worker.record   durable.go      who stores it: noted for the end of the batch
//	  └ worker.commit       durable.go      one Append to the journal for the whole batch,
//	      │                                 which the queues of spools then hold
//	      └ worker.deliverRecord            persistent sessions that have nothing older waiting
//	worker.finish           worker.go
//	  └ session.flush       conn.go         once per touched connection and batch
//	      └ writer.flushLocked  socket.go, stream.go   write, without blocking
//	conn.Committed          acknowledge.go  the journal has it on disk: PUBACK to a client
//
// The output of a session is extended in one place, appendLocked (deliver.go). A batch is
// what one read returned, or one Publish. Routes are remembered per worker and are valid
// until the generation of the subscriptions moves; permissions are part of the route, so
// that checking them at every delivery costs nothing per message. Packets that are the
// same for all receivers are encoded once; those that come in as they go out not at all.
//
// If the far side is slow: deliver drops QoS 0 and counts it, or keeps QoS 1 and 2 in
// memory up to a bound; a stored message waits in its queue; commit waits for the journal;
// flushLocked leaves the rest to the event loop. See below.
//
// # Who runs what
//
// New reads files and restores sessions and retained messages from the journal; it starts
// nothing. Run starts, and waits for: one goroutine per listener that accepts; one per
// connection until its CONNECT is accepted; one or more event loops that serve all plain
// TCP and Unix connections from then on; two goroutines per TLS or WebSocket connection;
// and one that publishes $SYS and logs drops. Publish, Attach and Subscribe work on the
// goroutine of their caller. Expiry and delayed wills are timers. What the end of a connection
// or session brings with it, wills and the disk, is done by at most five more (aside.go).
//
// Locks, outermost first: Broker.mu (sessions, connections), Broker.recordMu (order of
// records), session.saving (what the disk gets of it), session.mu (one session and the output of its connection), retained and
// subscriptions; innermost are the ackQueue, seqSet, unsettled, storedExpiry and the loop's mailbox, because the
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
// The packet id of a record follows from its number in the journal (inflight.go), so it is
// the same after a restart without having been written. A persistent session that keeps up
// gets messages from memory (live); for one that does not they are read from its queue,
// and it is live again when nothing is left there.
//
// # What survives
//
// A power cut: what was acknowledged to a publisher with PUBACK or PUBREC, for all durable
// subscribers; subscriptions once SUBACK was sent; retained messages; which QoS 2 messages
// were received (the publisher's session is itself a subscriber of the record, so message
// and packet id survive together) and which were completed. QoS 2 towards a persistent
// session waits for the disk before it is sent, because a message that was seen and then
// lost would come again under another id; QoS 1 does not wait. Wills, also of clients that
// were connected when the power went, from journal.commit after CONNECT on (storedwill.go).
//
// Not: what waits for a session that is not persistent; which messages were sent once before
// (after a restart up to a window of them is marked DUP).
//
// # If somebody is slow
//
// A client that does not read: QoS 0 to it is dropped beyond 1 MB; QoS 1 and 2 of a
// persistent session stay in the journal, bounded by MaxQueued (the oldest go); of another
// one they are kept in memory as far as the budget goes, then it is disconnected. When
// 1.5 MB wait it is not read from either: it could ask for more. No publisher waits for a
// subscriber. Every drop is a counter in Stats and $SYS, and in the log at most every ten
// seconds.
//
// A disk that is behind holds up those whose messages it is to have: an event loop keeps
// what it has read of them and goes on with the others; Publish and streams wait.
//
// # What clients can make us remember, and do
//
// One budget in bytes (package budget, memory.go) has accounts for clients and users; all
// that outlives a packet is charged where it is allocated. What does not fit is refused:
// CONNECT and PUBLISH of MQTT 5 with 0x97, SUBSCRIBE with 0x97 or 0x80, CONNECT of 3.1.1
// with return code 3; a retained message of 3.1.1 is delivered and not kept; routes are
// only remembered while there is room.
//
// A turn of an event loop (turn.go) gives each connection a share of its time. What is
// left of the packets of one, of its retained messages (walk.go), of what waits for it or of its
// output goes on in the next turn; so does a message that many get, or whose topic many
// subscriptions match (fanout.go), and a record for many sessions (commit). Short outputs are
// written before long ones (worker.flushSome). What cannot be
// divided is a SUBSCRIBE with many filters: a turn handles one, in the order in which they came
// to wait (worker.isSpent). What works beside the loops rests between its pieces (worker.rest):
// the Go runtime would let it have a processor for 10 ms.
//
// # What is not done
//
// Enhanced authentication (AUTH) is refused. Response information is not offered. Server
// redirection is not used.
package broker
