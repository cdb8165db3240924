// Package chip is the frame that every driver of an I2C chip fits into. A Driver says
// what is the chip's own: name, addresses, channels, options, and an Open that sets it
// up and returns a Read. What every driver would forget is here and in package adapter,
// once: the address is checked, the chip is opened again after any error, a number out of
// the plausible range is an error, and every error names chip, bus and address.
//
// A Driver starts nothing and keeps nothing over a power cut, except what a chip puts
// into its device's store. A poll and a command for one chip wait for each other, with
// their contexts. It retries nothing and logs nothing: the Runner around the device does.
package chip
