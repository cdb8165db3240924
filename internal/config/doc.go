// Package config turns TOML files into a checked, immutable Config, and reports
// all faults of all files in one run, each with its place and what to type instead.
//
// The way of a file: scan finds where every key and value stands (the TOML library
// does not tell), parse has the library decode and hangs its values on what scan
// found (node), merge joins conf.d, decode types the nodes into structs by their
// tags (our own tables and the drivers' options alike), and one file per table
// (device.go, bridge.go, …) checks what goes beyond one key. The same structs and
// tags make the JSON Schema, so that editor and program never disagree.
//
// Load opens no hardware and no network; it reads the configuration files, the
// files beside them, and the host name. Nothing later reads the file again, except
// that a Secret is read when it is used.
package config
