// Package chips has a file for each SPI part or family: its mode and clock, its channels
// with unit and plausible range, its options, and its way of measuring. What is the same
// for all is package chip. A chip that can lose its settings has them written each time
// and read back after the result.
package chips
