// Package bridge carries messages between our broker and one upstream broker.
//
// # Nouns
//
// A Bridge serves one upstream. A rule says which topics go out or come in and how they
// are renamed. The spool is a journal queue that our broker fills; a message leaves it only
// when the upstream has acknowledged it. A connection is one connection to the upstream. A
// stream is one of the two orders of sending: what arrives while we are connected goes out
// live, and what had waited goes beside it in the backlog, at its own rate and marked as
// late. The ledger is what must be remembered of QoS 2 over a restart. A gap is what was
// lost on the way up, and is reported to the upstream in place of the messages.
//
// # The way of a message
//
//	up:   broker ─▶ spool ─▶ streams ─▶ plan: which rules, renamed ─▶ throttle ─▶ encode ─▶ socket
//	                  ▲                                                                     │
//	                  └──────────── off the spool ◀── finishLocked ◀── PUBACK, PUBCOMP ◀────┘
//	down: socket ─▶ arrived: which rule, renamed, no echo ─▶ deliver ─▶ Local.Publish ─▶ PUBACK, PUBREC
//
// # States of a bridge
//
//	           ┌──────────────── round ───────────────┐
//	           ▼                                       │
//	(offline by hand) ─▶ dial ─▶ CONNECT ─▶ resume ─▶ serve ─▶ broken ─▶ back-off
//	                      │         │ refused            │
//	                      └─────────┴─▶ next URL         └─ asked to stop ─▶ what is in flight,
//	                                    or back-off          "offline", DISCONNECT ─▶ end
//
// A publication of QoS 1 is awaitPuback, then acknowledged. One of QoS 2, and what the
// ledger knows of it on disk:
//
//	          sent            released           done, until the record is off the spool
//	PUBLISH ───────▶ PUBREC ───────────▶ PUBCOMP ──────▶
//	awaitPubrec      awaitPubcomp        acknowledged
//
// # Who runs what
//
// New reads what the last run left in the journal and starts nothing. Run connects, serves
// and reconnects on its caller's goroutine. While a connection stands there are three more:
// read takes what the upstream sends, deliver hands it to our broker, and, if another URL
// than the first serves, one looks whether the first can be reached again. Sending is done
// by Run's goroutine alone, so that nothing but it writes to the socket. The outbox makes all
// packets; those that make the upstream remember or forget wait there for the ledger.
//
// Locks: connection.mu, ledger.mu, gaps.mu and Bridge.mu guard their own fields; the ledger's
// is taken inside the connection's, the others are taken alone. The journal calls
// ledger.Committed without a lock of its own.
//
// # What survives
//
// A restart, a kill and a power cut: the spool, the ledger, how much was lost and not yet
// reported, which topics had a newer retained value sent live, and which protocol level the
// upstream speaks. Not the throttle of
// every and deadband, nor the memory of what may come back as an echo: after a restart a
// value may pass once more.
//
// # What if somebody is slow
//
// The upstream: at most windowMax publications or windowMaxBytes are on their way, the rest
// waits in the spool, up to its bounds; then the spool's policy says what goes, counted and
// reported. An upstream that acknowledges nothing for stallTimeout is connected to anew. The
// disk: what needs the ledger waits for it, everything else goes on. Our broker: nothing more
// is read from the upstream, whose own flow control then holds it. Who looks at Status: may
// wait for a read of the spool's oldest record.
//
// # What is not done
//
// A message of QoS 2 that comes down and that no durable subscriber gets is remembered by the
// ledger alone: after a power cut between the two, those who are connected may get it again.
// No client library (docs/ARCHITECTURE.md says why). No subscription identifiers, topic
// aliases or enhanced authentication of MQTT 5. No message of QoS 0 is kept while the
// upstream is away, but what the rule puts into the spool. Nothing is given up: an upstream
// that is away or refuses us is tried again, slower and slower, forever.
package bridge
