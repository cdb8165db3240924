// Package serialtest has what drivers on serial lines are tested with: wires whose far
// end a test holds, faults as they happen on real ones, and a conformance suite.
//
// The nouns: PTY is a real port, with the kernel between the two ends; Wire is one in
// memory for testing/synctest, where waiting costs nothing. A Simulator is the device at
// the far end; a Fault is what happens to its bytes on the way. Conformance opens a driver
// on a Wire, plays every fault, and checks the one promise that matters: right numbers or
// an error, never wrong numbers, and right again once the wire is.
//
// Everything is exported so that a driver outside this repository can use it. Package
// example beside it is a driver with its simulator and its run, which
// docs/adding-a-driver.md walks through.
package serialtest
