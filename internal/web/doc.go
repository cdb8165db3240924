// Package web serves the gateway over HTTP: an API under /api/v1, events as they happen,
// metrics for Prometheus, health for supervisors, and the page. It asks the gateway and
// the history, and knows no device.
//
// Nouns: a Server has listeners (addresses) and one Handler. A route is one method and
// path with the least role that may call it; the table of routes (routes.go) is also
// what the OpenAPI document is made from. A role is view, operate or admin; each may do
// what the one before may. An identity is who asks. A login is a browser's cookie, a
// token a script's secret. The hub (events.go) spreads values, states and log lines to
// all event streams.
//
// # Who may do what
//
// A request over the control socket comes from root or the gateway's user: admin. Else a
// token, a user's password or a login decides. Without any of them a request from
// loopback may view, unless it says that it was forwarded or comes from a trusted proxy;
// everybody else is asked to log in. Passwords are those of the broker, verified in the
// broker's one queue.
//
// # Who runs what
//
// Run has one goroutine per listener, net/http one per connection. The hub has a timer,
// which is armed only while somebody listens and something changed. A listener whose
// port is taken, or whose certificate cannot be read, is tried again with growing pauses;
// everything else goes on.
//
// # If somebody is slow
//
// Headers must come within 5 s, a request within 30 s, a body within 1 MiB. Connections
// and streams are bounded. A stream whose reader is slow is cut; the browser comes back
// and gets what it missed. Answers are made from snapshots: no request waits for a device.
//
// # What is not done
//
// No state of a browser is kept but its login, in memory: after a restart of the gateway
// people log in again.
package web
