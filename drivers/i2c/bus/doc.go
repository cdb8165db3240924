// Package bus owns the I2C adapters of the machine.
//
// A Buses opens /dev/i2c-N on first use. One goroutine owns one bus: all others ask it
// and wait with a context, so the bytes of two devices never mix, a multiplexer is
// switched and used in one step, and there is one place that reopens an adapter that was
// unplugged or clocks free one that hangs. A caller that gives up leaves the owner its
// own buffer: the late answer lands nowhere.
//
// Dev is a chip's address on a bus and all that a chip driver gets to see. Its methods
// take a context and say in every error which bus and address it was.
//
// The transfer is our own ioctl behind periph.io/x/conn's i2c.Bus. The one in periph's
// host package keeps stack addresses over calls that may move the stack (measured on
// v3.8.5: one transfer in a hundred lost under load, some with wrong data and no
// error) and turns error numbers into text.
//
// Nothing here survives a power cut, and nothing here is retried: the Runner around a
// device asks again.
package bus
