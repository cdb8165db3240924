// Package drivers is the frame that every piece of hardware fits into; start
// reading here.
//
// A Reading is one value of one channel at one time. A Command is a wanted end
// state. A Driver is an entry in the table of supported hardware: what options it
// takes, which channels it has, and how to open it. Opening returns a device, a
// value with one or more abilities: Poller, Watcher, Commander, io.Closer.
//
// A driver takes the smallest thing it needs, ends with its context, starts no
// goroutines, retries nothing and logs nothing. Runner, the loop around a device,
// does that once for all: intervals, deadlines, back-off, reopening, reporting
// each outage once. What needs a goroutine of its own is a bus (package serial, i2c,
// gpio), and the gateway runs those.
//
// Nothing here survives a power cut except what a driver puts into DeviceConfig.Store.
package drivers
