// Package gateway builds the parts of sensorgate from a configuration, connects them,
// starts and stops them, and changes them at a reload. It is the only package that knows
// them all; what a part does stands in the part's own package.
//
// # Nouns
//
// A part is something that runs until its context ends; a group is a part made of
// members that come and go, such as the devices. A device is a drivers.Runner with an
// outbox, the mapper that makes its messages, and the commands that wait for it. An
// upstream is a bridge with its spool. Hardware is everything a device can be attached
// to; making it opens nothing, so that `check` has the same. A Trial is one attempt at
// a device or upstream for `read` and `check --hardware`.
//
// # The parts
//
//	                       ┌───────────────────────────── Gateway ─────────────────────────────┐
//	wires, chips, pins ──▶ │ Runner ─▶ outbox ─▶ mapping.Mapper ─▶ broker ─▶ spool ─▶ bridge    │ ──▶ upstream
//	(Hardware)         ◀── │ Runner ◀─ commands ◀─ commandRouter ◀┘     ▲                │     │ ◀──
//	                       │                                            └────────────────┘     │
//	                       │ journal (under broker and spools)   status.Control   sdnotify      │
//	                       └───────────────────────────────────────────────────────────────────┘
//
// # Who runs what
//
// New opens the journal and makes the parts; it starts nothing. Run starts them in this
// order and stops them in the reverse one, so that what a source still has finds its
// sink: journal, bridges, broker, state, commands, i2c, serial, devices, notify, control.
// A part that fails ends Run with its error, and systemd starts the process again; a
// device that fails stops nothing. Each device has three goroutines: its Runner, one
// that publishes, one that executes commands. Each bus has its owner, each bridge its
// own goroutines. Reload works on the goroutine of its caller, one at a time; what the
// new configuration does not change goes on without noticing. A refused reload changes
// nothing.
//
// # What survives
//
// Whatever the journal keeps: spools, sessions, retained messages, and what drivers put
// into their Store (totals of pulses, baselines), under device/NAME/. What waits in an
// outbox or in a mapper's filters does not; a stop in good order publishes it first.
//
// # If somebody is slow
//
// A device that is slow costs nobody else anything: it has goroutines of its own. If the
// broker is slow (the journal's disk), the device goes on measuring, and its outbox drops
// the oldest readings and counts them. Commands wait in a queue of 16 per device; one
// more is refused with an answer. A part that does not stop within 5 s is logged and left
// behind.
//
// # What is not done
//
// node, data and [journal] cannot change under a running gateway: a reload that changes
// them is refused and names them. There is one node per process.
package gateway
