// Package bus owns the SPI buses of the machine: /dev/spidevBUS.SELECT.
//
// One goroutine owns one bus: devices on its chip selects ask it and wait with a context,
// so there is one place that reopens a bus that went away, and a caller that gives up
// leaves the owner its own buffer: the late answer lands nowhere. A Dev is one chip select
// with its mode and speed, and all that a chip's driver gets to see.
//
// The transfer is our own ioctl behind periph.io/x/conn's spi.Conn. That of periph's host
// package (v3.8.5) was tried under load and garbage collection, with its device node
// replaced by one that reads at the addresses it is given. Its Tx is sound: it keeps both
// buffers in its own structure. Its Connect hands the kernel the address of a variable on
// the stack, which may move before it is read: with a stack made to move, 150 of 200
// settings of the mode arrived as something else; in 476,000 with goroutines of varying
// depth none did. Folder periphproof has the test. Its TxPackets with more than four packets hands
// over memory that the garbage collector may take. Its errors are text, so a bus that was
// unplugged cannot be known from a refused transfer. What is left of it would be an open
// and an ioctl.
//
// SPI has no acknowledgement: a chip that is not there reads as all zeros or all ones, and
// every driver must know by what it answers. Nothing here survives a power cut.
package bus
