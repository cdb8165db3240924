// Package i2c is the table of the I2C chips that sensorgate knows, and the scan that
// finds them.
//
// Package bus below it owns the wires. Package chip is the frame of a chip's driver, with
// what every driver would forget: it checks the address, opens the chip again after any
// error, refuses what is out of the plausible range, and names chip, bus and address in
// every error. Package chips has a file for each part number, from bytes to numbers, and
// one for what a family shares. Package i2ctest has what they are tested with.
//
// Nothing here survives a power cut, except the baselines of gas sensors, which the
// chips put into the device's store.
package i2c
