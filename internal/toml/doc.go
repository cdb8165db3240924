// Package toml reads TOML files and knows where everything in them stands, so that
// each fault of each file is reported in one run, with its place and what to type
// instead. It has no keys of its own: a program hands in structs with tags, and Hints.
//
// The way of a file: scan finds where keys and values stand (the TOML library does not
// report it); Parse has the library decode the text and hangs its values on the Nodes
// that scan found; Merge and Overlay join several files; Table decodes a Node into
// structs by their tags; Problems carries what did not fit. From the same structs
// Describe and SchemaOf make the list of keys for people and the JSON Schema, so that
// editor and program never disagree.
//
// Tags of a field:
//
//	toml:"key"        its key; a field without one is set by the program alone
//	doc:"…"           one sentence for people: it stands in the schema and in reference.toml
//	required:"true"   a table without the key is a fault
//	example:"…"       what to type, where a sample of the type says too little
//	choice:"…"        exactly one of the keys with this tag must be given
//	quantity:"size"   an int or int64 of bytes is written as a size: 64KiB
//	was:"old_key"     the name of the key in older versions: read as well, with a warning
//
// A Reporter belongs to one goroutine. Everything is bounded: size of a file, depth of
// brackets, number of problems. Nothing here opens anything but the files that it is given.
package toml
