// Package confd writes configuration: the files of {data}/conf.d, which the gateway reads
// like those beside its main file, and which it alone writes. The HTTP API, and one day
// somebody far away, change the configuration here and nowhere else.
//
// Nouns: a Folder is {data}/conf.d with the versions of its files. A File is one file of
// the configuration, also one that only people write. A Version is what a file had
// before a save. A save that could cut off who made it waits for its confirmation.
//
// # A save
//
// Save checks, writes a record of what the file had before, writes the file, reloads, and
// then marks the record as kept. Whatever ends the process between the first and the last
// of these, at its next start Open finds a record that is not kept and puts back what it
// has: a save that answered is there, and of one that did not either all or nothing. A reload that is refused is undone at
// once. A save that changes [web] or [broker] stays in that state, on purpose, until it is
// confirmed over a connection made after it; without that it is undone after
// ConfirmTime, and at a restart before.
//
// # Who runs what
//
// All methods may be called from any goroutine; one save runs at a time. Run, which the
// gateway runs, undoes what nobody confirmed.
//
// # What survives a power cut
//
// Every file is written beside itself, synced, renamed, and its folder synced. A full disk
// fails at the first of these and changes nothing.
//
// # What is not done
//
// Files that people write, the main one among them, are shown and checked and never
// written. Secrets are not shown: Hide replaces them, Unhide puts those of the file back.
package confd
