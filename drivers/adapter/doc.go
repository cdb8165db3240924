// Package adapter is the frame around one chip, whatever bus it is on: what every driver
// of a chip would forget, once. The chip is opened again after any error; a number out of
// its plausible range is a fault; a fault of one channel costs that channel and those that
// are computed with it; every error names chip and place; a poll and a command wait for
// each other.
//
// It starts nothing and retries nothing: the Runner around the device does. Nothing in it
// survives a power cut. Package i2c/chip and package spi/chip make drivers of it.
package adapter
