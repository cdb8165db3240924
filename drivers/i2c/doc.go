// Package i2c is the table of the I2C chips that sensorgate knows.
//
// Package bus below it owns the wires, package chips has one file per chip: from bytes
// to numbers and nothing else. What every driver would forget is in chips/adapter.go,
// once: it checks the address, opens the chip again after any error, refuses what is out
// of the plausible range, and names chip, bus and address in every error.
//
// Nothing here survives a power cut, except the baselines of gas sensors, which the
// chips put into the device's store.
package i2c
