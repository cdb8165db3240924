// Package sim runs whole gateways in a simulation: journal, broker and bridge on virtual time (testing/synctest), a disk
// in memory that crashes (package crashdisk), a network in memory, devices of its own, up to twenty clients of every
// temper and an upstream. It has tests only.
//
// A script is a list of events, made from a seed: who does what, and when. A run plays one script and keeps a ledger of
// what everybody was promised and what everybody got; afterwards the ledger is judged by the promises of the gateway.
// Everything that is chosen comes from the seed. What does not is the order in which Go runs goroutines, so a script
// that failed once may pass the next time: it is played several times, and a shorter one is looked for that still fails.
//
//	go test ./internal/gateway/sim                                the first 200 seeds, with a journal that has room
//	make gatewaysim SEEDS=100000                                  a night of them
//	go test ./internal/gateway/sim -run Replay -sim.script=FILE   one script, as it was printed
package sim
