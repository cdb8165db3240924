// Package chips has a file for each I2C part number: its addresses, its channels with
// unit and plausible range, its options, and its way of measuring. What parts of one
// family or maker share stands in a file named after it (bmx280.go, ina2xx.go,
// sensirion.go, ti.go). The data sheet's section stands at each step.
//
// A chip's Open sets it up and returns a read; both talk to a bus.Dev. They start no
// goroutines, retry nothing and log nothing. What is the same for all chips is package
// chip. A chip that can lose its settings (a dip of its supply is enough) checks them
// before it believes a number: an unconfigured BME280 answers 26.46 °C, which looks
// quite right.
package chips
