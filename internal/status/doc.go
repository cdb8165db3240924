// Package status reports how the gateway does: a Snapshot of devices, upstreams,
// broker and journal, how it reads on a terminal, and the local socket on which
// a running gateway serves it to `sensorgate status` and takes `sensorgate reload`.
package status
