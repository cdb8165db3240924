package serial

import (
	"fmt"
	"net"
	"strings"
	"time"

	"sensorgate/drivers"
)

// PortOptions say where a wire is and how bits travel on it: [serial.NAME], or
// serial = { … } of a device that has the wire for itself.
type PortOptions struct {
	Port  string        `toml:"port" example:"\"/dev/ttyUSB0\"" doc:"The path of the port; /dev/serial/by-id/… stays the same over reboots."`
	USB   USBID         `toml:"usb" example:"\"0403:6001\"" doc:"The USB adapter by its numbers: \"0403:6001\" or \"0403:6001:SERIAL\"."`
	TCP   string        `toml:"tcp" example:"\"192.0.2.10:4001\"" doc:"The host:port of a serial server that passes bytes on as they are."`
	Line  Line          `toml:"line" example:"\"9600 8N1\"" doc:"Speed, data bits, parity and stop bits; \"9600 8N1\" is the default."`
	RS485 RS485         `toml:"rs485" example:"\"rts\"" doc:"Who switches the RS-485 line driver: \"auto\" (the adapter), \"kernel\", \"rts\" or \"rts-low\"."`
	Echo  bool          `toml:"echo" doc:"Must be true if the adapter hears what it sends."`
	Pause time.Duration `toml:"pause" doc:"The silence between two transactions, if the devices need more than their protocol demands."`
	DTR   *bool         `toml:"dtr" doc:"The state of the DTR line; some optical heads are powered by it."`
	RTS   *bool         `toml:"rts" doc:"The state of the RTS line."`
}

// ParsePort reads a port as it is given on a command line: a path, an adapter's
// numbers, or the host:port of a serial server.
func ParsePort(name string, line Line) (PortOptions, error) {
	o := PortOptions{Line: line}
	var usb USBID
	switch {
	case strings.Contains(name, "/"):
		o.Port = name
	case usb.UnmarshalText([]byte(name)) == nil:
		o.USB = usb
	case strings.Contains(name, ":"):
		o.TCP, o.Line = name, Line{}
	default:
		o.Port = "/dev/" + name
	}
	return o, o.Check()
}

// Check is called when the file is read.
func (o *PortOptions) Check() error {
	given := 0
	for _, set := range []bool{o.Port != "", o.USB != USBID{}, o.TCP != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		return &drivers.KeyError{Key: "port", Problem: fmt.Sprintf("found %d of port, usb and tcp", given),
			Expected: "exactly one", Try: `port = "/dev/serial/by-id/…" (sensorgate scan serial lists them)`}
	}
	if o.TCP != "" {
		if _, _, err := net.SplitHostPort(o.TCP); err != nil {
			return &drivers.KeyError{Key: "tcp", Problem: fmt.Sprintf("found %q, expected host:port", o.TCP), Try: `tcp = "10.0.0.7:2000"`}
		}
		if !o.Line.IsZero() || o.RS485 != "" || o.DTR != nil || o.RTS != nil {
			return &drivers.KeyError{Key: "tcp", Problem: "line, rs485, dtr and rts are set on the serial server itself"}
		}
	}
	if o.RTS != nil && o.RS485.usesRTS() {
		return &drivers.KeyError{Key: "rts", Problem: "rs485 moves this line already"}
	}
	if o.Pause < 0 || o.Pause > time.Minute {
		return &drivers.KeyError{Key: "pause", Problem: fmt.Sprintf("found %v, expected 0s to 1m", o.Pause)}
	}
	return nil
}

// Claims names the port, so that two owners are found when the file is read.
func (o *PortOptions) Claims() []drivers.Claim {
	switch {
	case o.TCP != "":
		return []drivers.Claim{{Kind: "serial", ID: "tcp " + o.TCP, Key: "tcp"}}
	case o.Port != "":
		return []drivers.Claim{{Kind: "serial", ID: o.Port, Key: "port"}}
	default:
		return []drivers.Claim{{Kind: "serial", ID: "usb " + o.USB.String(), Key: "usb"}}
	}
}

// where names the wire for people.
func (o *PortOptions) where() string {
	switch {
	case o.TCP != "":
		return "tcp " + o.TCP
	case o.Port != "":
		return "serial port " + o.Port
	default:
		return "usb serial adapter " + o.USB.String()
	}
}

// USBID finds an adapter whatever number the kernel gives it.
type USBID struct {
	Vendor, Product string // four hexadecimal digits, lower case
	Serial          string // "" is any
}

// UnmarshalText reads "0403:6001" or "0403:6001:SERIAL".
func (u *USBID) UnmarshalText(text []byte) error {
	parts := strings.SplitN(string(text), ":", 3)
	if len(parts) < 2 || !isHex4(parts[0]) || !isHex4(parts[1]) || len(parts) == 3 && parts[2] == "" {
		return fmt.Errorf("found %q, expected vendor:product or vendor:product:serial, such as 0403:6001", text)
	}
	*u = USBID{Vendor: strings.ToLower(parts[0]), Product: strings.ToLower(parts[1])}
	if len(parts) == 3 {
		u.Serial = parts[2]
	}
	return nil
}

// String returns it as it is written.
func (u USBID) String() string {
	s := u.Vendor + ":" + u.Product
	if u.Serial != "" {
		s += ":" + u.Serial
	}
	return s
}

func isHex4(s string) bool {
	return len(s) == 4 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// RS485 says who switches the line driver between sending and listening.
type RS485 string

// The ways.
const (
	RS485Auto   RS485 = "auto"    // the adapter by itself, or it is not RS-485 at all
	RS485Kernel RS485 = "kernel"  // the UART driver does (TIOCSRS485): exact
	RS485RTS    RS485 = "rts"     // we raise RTS while sending
	RS485RTSLow RS485 = "rts-low" // we lower RTS while sending
)

func (r RS485) usesRTS() bool { return r == RS485RTS || r == RS485RTSLow }

// UnmarshalText takes one of the ways.
func (r *RS485) UnmarshalText(text []byte) error {
	switch way := RS485(text); way {
	case RS485Auto, RS485Kernel, RS485RTS, RS485RTSLow:
		*r = way
		return nil
	}
	return fmt.Errorf("found %q, expected auto, kernel, rts or rts-low", text)
}
