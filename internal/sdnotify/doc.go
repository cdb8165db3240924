// Package sdnotify reports to the service manager how the process is: READY, STATUS,
// RELOADING, STOPPING and WATCHDOG over the datagram socket in $NOTIFY_SOCKET, as
// sd_notify(3) and sd_watchdog_enabled(3) describe.
//
// Nouns: a Notifier is one connection to the manager. A part is something whose
// hanging would make the process useless although it still runs: the broker's
// loop, the journal's commit loop. Parts are named with Watch and report with
// Progress.
//
// The watchdog is fed by progress and by nothing else: WATCHDOG=1 leaves from inside
// the Progress call that completes a round, that is when every part has reported
// since the last feed. There is no timer and no goroutine here, so a process whose
// parts hang cannot go on reporting to the manager that all is well. A part that has
// nothing to do must be asked from time to time and report when it answers.
//
// Without a manager (no $NOTIFY_SOCKET) every method does nothing.
package sdnotify
