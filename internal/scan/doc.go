// Package scan looks at everything that could be connected to the board, and writes what it
// finds as device tables. `sensorgate scan`, `add` and `init` and the HTTP API are all made
// of it.
//
// Nouns: a Kind is one way to be connected. A Found is one thing that is there, with the
// table of a device that reads it, if that is known. An Options may lend buses that a
// gateway runs already; else buses are opened for the scan and closed.
//
// A scan writes nothing that could change a device. It needs time where somebody must be
// asked: Run calls progress, ends with its context, and goes on after a bus that fails.
package scan
