// Package journal keeps what must survive a power cut: the queues of durable
// consumers (persistent MQTT sessions and the spools of bridges) and small
// last-value entries (retained messages, subscriptions, counters).
//
// Nouns: a Journal is one store in one directory. A Record is appended once,
// together with the list of its consumers. A Queue is one consumer's view: which
// records wait for it, in order of their Seq. An entry is the newest value of a
// key. A CommitClass is how soon a record is committed, that is on disk.
//
// Open builds and recovers; Run commits until its context ends, and returns after
// the last commit. docs/journal-format.md has the format, what is assumed of the
// disk, and what is lost when.
package journal
