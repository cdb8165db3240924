package scan

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
)

// UsualLines are tried in this order: most meters leave the factory with one of the first.
const UsualLines = "9600 8N1,9600 8E1,19200 8E1,19200 8N1,2400 8N1,38400 8N1,115200 8N1,4800 8N1,9600 8N2,9600 8O1"

// ParseLines reads line settings with commas between them.
func ParseLines(s string) (lines []serial.Line, err error) {
	for _, part := range strings.Split(s, ",") {
		var l serial.Line
		if err := l.UnmarshalText([]byte(part)); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// ParseUnits reads "1-10,100".
func ParseUnits(s string) (units []byte, err error) {
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || low < 1 || high > 247 || low > high {
			return nil, fmt.Errorf("found %q, expected numbers from 1 to 247, such as 1-10,100", part)
		}
		for u := low; u <= high; u++ {
			units = append(units, byte(u))
		}
	}
	return units, nil
}

// portKey is the key under which a port as on a command line stands in a file.
func portKey(port string) string {
	switch {
	case strings.HasPrefix(port, "/"):
		return "port"
	case new(serial.USBID).UnmarshalText([]byte(port)) == nil:
		return "usb"
	}
	return "tcp"
}

// IdentifyTime is how long a Modbus unit that is there may think about who it is.
const IdentifyTime = 500 * time.Millisecond

// identified adds what a Modbus unit has answered: its own names, and the models to read it
// with, the best first.
func (f *Found) identified(id modbus.Identification) {
	if len(id.Says) > 0 {
		f.Note += "; it calls itself " + strings.Join(id.Says, ", ")
	}
	if len(id.Models) == 0 {
		return
	}
	f.Models, f.Title, f.Needs, f.Name = id.Models, id.Models[0], "", path.Base(id.Models[0])
	f.Text = fmt.Sprintf("model  = %q\n", id.Models[0]) + f.Text
	if len(id.Models) > 1 {
		f.Note += "; it could also be read with " + strings.Join(id.Models[1:], ", ")
	}
}

// ReadAs puts another of its models into the table of a unit that was identified.
func (f *Found) ReadAs(model string) {
	rest := strings.TrimPrefix(f.Text, fmt.Sprintf("model  = %q\n", f.Title))
	f.Text, f.Title, f.Name = fmt.Sprintf("model  = %q\n", model)+rest, model, path.Base(model)
}

const unitTime = 150 * time.Millisecond // that a unit may think

// overTCP begins a port on which Modbus TCP is spoken.
const overTCP = "tcp://"

// tcpUnits are those that devices with Modbus TCP answer to: most to 1 or to any, SMA to 3,
// Huawei behind a dongle to 0 or 1, Kostal to 71, Victron's system to 100, GoodWe to 247.
var tcpUnits = []byte{1, 2, 3, 71, 100, 247}

// modbus asks on one port who is there.
func (s *scanner) modbus(ctx context.Context) error {
	if s.o.Port == "" {
		return errors.New("for Modbus the port must be named")
	}
	if addr, ok := strings.CutPrefix(s.o.Port, overTCP); ok {
		return s.modbusTCP(ctx, addr)
	}
	if used := s.o.Used("serial", s.o.Port); used != "" {
		return fmt.Errorf("%s is used by %s: take that out first", s.o.Port, used)
	}
	o, err := serial.ParsePort(s.o.Port, serial.Line{})
	if err != nil {
		return err
	}
	lines, units, timeout := s.o.Lines, s.o.Units, s.o.Timeout
	if lines == nil {
		if lines, err = ParseLines(UsualLines); err != nil {
			return err
		}
	}
	if units == nil {
		if units, err = ParseUnits("1-32"); err != nil {
			return err
		}
	}
	if timeout == 0 {
		timeout = unitTime
	}
	b := serial.NewBus(s.o.Port, o, quiet)
	known, n := s.candidates(), 0
	err = During(ctx, func(ctx context.Context) error { return b.Run(ctx) }, func(ctx context.Context) error {
		return modbus.Scan(ctx, b, lines, units, timeout, func(line serial.Line, unit byte, done, total int) {
			s.to.Progress(Progress{"modbus", fmt.Sprintf("%s unit %d", line, unit), done, total})
		}, func(f modbus.Found) {
			n++
			out := unitFound(fmt.Sprintf("%s unit %d, %s", s.o.Port, f.Unit, f.Line), f.Unit, f.Says)
			out.Text = fmt.Sprintf("serial = { %s = %q, line = %q }\nunit   = %d\n", portKey(s.o.Port), s.o.Port, f.Line.String(), f.Unit)
			c := modbus.NewClient(b, f.Unit, max(timeout, IdentifyTime), false).On(f.Line)
			out.identified(c.Identify(ctx, known))
			s.to.Found(out)
		})
	})
	if err == nil && n == 0 {
		return fmt.Errorf("no unit answered on %s (wires A and B swapped? termination? more units: 1-247)", s.o.Port)
	}
	return err
}

// modbusTCP asks the units behind an address. It may be one that the gateway reads: a
// connection of its own disturbs nobody but devices that take only one.
func (s *scanner) modbusTCP(ctx context.Context, addr string) error {
	if !strings.Contains(addr, ":") {
		addr += ":502"
	}
	units, timeout := s.o.Units, max(s.o.Timeout, IdentifyTime)
	if units == nil {
		units = tcpUnits
	}
	b := serial.NewBus(overTCP+addr, serial.PortOptions{TCP: addr}, quiet)
	known, n := s.candidates(), 0
	err := During(ctx, func(ctx context.Context) error { return b.Run(ctx) }, func(ctx context.Context) error {
		for done, unit := range units {
			s.to.Progress(Progress{"modbus", fmt.Sprintf("%s unit %d", addr, unit), done, len(units)})
			c := modbus.NewClient(b, unit, timeout, true)
			says, there, err := c.Present(ctx)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			n++
			out := unitFound(fmt.Sprintf("%s unit %d", addr, unit), unit, says)
			out.Text = fmt.Sprintf("tcp    = %q\nunit   = %d\n", addr, unit)
			out.identified(c.Identify(ctx, known))
			s.to.Found(out)
		}
		return nil
	})
	if err == nil && n == 0 {
		return fmt.Errorf("no unit answered at %s (is Modbus TCP switched on in the device? other units: 1-247)", addr)
	}
	return err
}

// unitFound is a unit that answered, of which nothing more is known.
func unitFound(where string, unit byte, says string) Found {
	return Found{Kind: "modbus", Where: where, Title: fmt.Sprintf("Modbus unit %d", unit), Sure: true, Note: says,
		Name: fmt.Sprintf("unit%d", unit), Needs: "model"}
}

// candidates are made when somebody is asked on Modbus, not before: all models are read.
func (s *scanner) candidates() []modbus.Candidate {
	if s.o.Candidates == nil {
		return nil
	}
	return s.o.Candidates()
}
