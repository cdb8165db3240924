// Package spi is the table of the SPI chips that sensorgate knows.
//
// Package bus below it owns the wires, package chip is the frame of a chip's driver,
// package chips has a file for each part or family, and package spitest has what they are
// tested with. Nothing here survives a power cut.
package spi
