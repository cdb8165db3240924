// Package serial owns serial ports and gives devices their turns on them.
//
// A Bus is one wire: a port, or a TCP connection to a serial server. Bus.Run is its
// owner, the only one that opens, writes and closes; it reopens forever, so an
// unplugged adapter works again within two seconds of coming back, under whatever
// number the kernel gives it. Devices ask in two ways:
//
//   - Bus.Do runs a Job, an exchange of request and answer, when its turn comes:
//     commands before polls, polls before probes of devices that do not answer.
//   - Bus.Listen hears everything that is not an answer to somebody's request.
//
// On top of that stand the drivers: lines (text), frames (binary), nmea, sml, d0,
// mbus and teleinfo. framer.go cuts bytes into frames, package field takes the values out.
//
// The port library is go.bug.st/serial; port.go says which of its properties are
// worked around and how. Ports are listed from sysfs, never with the library's
// GetPortsList, which opens every ttyS and changes the speed of ports in use.
//
// Nothing here survives a power cut. Not done: flow control, 1.5 stop bits, modem
// lines as inputs.
package serial
