// Package bridge carries messages between our broker and one upstream broker.
//
// Nouns: a Bridge serves one upstream. A rule says which topics go out or come in
// and how they are renamed. The spool is a journal queue that our broker fills; a
// message leaves it only when the upstream has acknowledged it. A link is one
// connection. A lane is an order of sending: what arrives while we are connected
// goes out live, and what had waited goes beside it in the backlog lane, at its own
// rate and marked as late.
//
// New builds; Run connects, serves and reconnects until its context ends, then sends
// what is in flight, says "offline" and disconnects. A Bridge never gives up: an
// upstream that is away or refuses us is tried again, slower and slower.
//
// The link is built on internal/mqtt and not on a client library; docs/ARCHITECTURE.md
// says why.
package bridge
