// Package chips has one file per I2C chip: its addresses, its channels with unit and
// plausible range, its options, and how bytes become numbers. The data sheet's section
// stands at each step.
//
// A chip's open sets it up and gives a read; both talk to a bus.Dev. They start no
// goroutines, retry nothing and log nothing. What is the same for all chips is in
// adapter.go. A chip that can lose its settings (a dip of its supply is enough) checks
// them before it believes a number: an unconfigured BME280 answers 26.46 °C, which looks
// quite right.
package chips
