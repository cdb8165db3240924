// Package driverstest has what the tests of all drivers share: readings that must come,
// the promise that a wrong number is never published, errors and their words, and a
// store in memory.
//
// What a kind of bus needs is beside that bus, with its conformance suite: package
// i2ctest beside i2c, gpiotest beside gpio.
package driverstest
