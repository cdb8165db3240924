// Package i2ctest is what drivers of I2C chips are tested with, in this repository and
// outside it: a bus in memory that fails in the ways real ones do, simulators of chips
// at register level, and the conformance suite that every driver must pass.
//
// The suite checks the one thing that matters: whatever happens on the wire, a driver
// returns the right numbers or an error, never wrong numbers, and is right again once
// the wire is. Time is the testing/synctest bubble's, so slow chips cost nothing.
//
// A simulator answers bytes with bytes: it knows nothing of the driver that talks to
// it, keeps the data sheet's reset values and conversion times, and loses its settings
// at PowerOn. It is made from the same data sheet as the driver: what pins both to the
// world are the reference numbers in the tests, which come from the maker.
// docs/hardware.md says for each chip what was checked against what; a chip that only a
// simulator has seen is not "tested".
//
// Package example has all of it for an invented chip: the driver, its simulator and the
// run of the suite.
package i2ctest
