// Package driverstest has what drivers are tested with: fake wires that fail in the ways
// real ones do, and the exam that every driver sits.
//
// The exam promises the one thing that matters: whatever happens on the wire, a driver
// gives the right numbers or an error, never wrong numbers, and is right again once the
// wire is. Time is the testing/synctest bubble's, so slow chips cost nothing.
//
// Package i2cmodel beside it has register-level models of chips. A model is made from
// the same data sheet as its driver: what pins both to the world are the reference
// numbers in the tests, which come from the maker. docs/hardware.md says for each chip
// what was checked against what; a chip that only a model has seen is not "tested".
package driverstest
