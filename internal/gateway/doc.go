// Package gateway is the hallway: it builds the rooms (drivers, broker, bridge)
// and the journal from a configuration, hangs the doors between them, starts sinks
// first and stops sources first, and reloads. The only package that knows them all.
package gateway
