// Package bench measures MQTT brokers from outside: a load generator that speaks raw
// MQTT 3.1.1, pipelined, and a runner that starts brokers as processes of their own,
// ours and a peer, and runs the same workloads on each in turn.
//
// A Workload says how many publishers and subscribers there are, at which QoS, and how
// fast. Every message carries who sent it, its number and when; the subscribers check
// that nothing is lost, doubled or out of order, so a result without Lost is a result
// for all of them.
//
// With QoS 1 and 2 a publisher has at most Window messages unacknowledged. With QoS 0
// nothing is acknowledged, so a publisher has at most FreeWindow messages that the
// subscribers have not got: it is measured what a broker carries, not what it throws
// away.
package bench
