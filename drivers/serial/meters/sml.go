package meters

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// SMLOptions of a meter that pushes SML files.
type SMLOptions struct {
	serial.Wire
	Silence  time.Duration `toml:"silence" doc:"After this time without a good telegram a fault is reported."`
	Unsigned bool          `toml:"unsigned" doc:"The meter sends positive numbers as signed ones that are too short for them (known of DZG DVS7412 and DWS74 with numbers below 60000000, which are found out without this key)."`
	Sign     *SMLSign      `toml:"sign" example:"{ of = \"1-0:15.7.0\", status = \"1-0:1.8.0\", bit = 5 }" doc:"For a meter whose power has no sign: { of = \"1-0:15.7.0\", status = \"1-0:1.8.0\", bit = 5 } makes it negative while that bit of the status word is set."`
}

// SMLSign says which bit of a status word has the direction of a value.
type SMLSign struct {
	Of     OBIS `toml:"of" example:"\"1-0:15.7.0\"" doc:"The code of the value without a sign."`
	Status OBIS `toml:"status" example:"\"1-0:1.8.0\"" doc:"The code of the value that the status word stands with."`
	Bit    int  `toml:"bit" example:"5" doc:"The bit that is set while the value is negative; 0 is the lowest."`
}

// Check is called when the file is read.
func (o *SMLOptions) Check() error {
	if s := o.Sign; s != nil {
		switch {
		case s.Of == "" || s.Status == "":
			return &drivers.KeyError{Key: "sign", Problem: "found no of or no status", Try: `sign = { of = "1-0:15.7.0", status = "1-0:1.8.0", bit = 5 }`}
		case s.Bit < 0 || s.Bit > 63:
			return &drivers.KeyError{Key: "sign.bit", Problem: fmt.Sprintf("found %d, expected 0 to 63", s.Bit)}
		}
	}
	return o.Wire.Check()
}

// Outputs are the usual channels.
func (o *SMLOptions) Outputs() []drivers.Channel { return obisOutputs(obisChannels) }

func smlDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "sml",
		Summary:        "SML electricity meters (Germany: eHZ, mMe) through an optical head",
		Options:        func() any { return &SMLOptions{Silence: time.Minute} },
		ChannelOptions: func() any { return new(OBISChannel) },
		Simulate:       simulateSML,
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*SMLOptions)
			d, err := newSMLDecoder(o, s.Channels)
			if err != nil {
				return nil, err
			}
			return framing.Open(ws, s, framing.Device{
				Wire: o.Wire, Silence: o.Silence, Framer: framing.Framer{Cutter: newSMLCutter()}, Decoder: d, Whole: true,
			})
		},
	}
}

// SML transport protocol, version 1. BSI TR-03109-1 annex IV, section 8.
var (
	smlEscape = []byte{0x1B, 0x1B, 0x1B, 0x1B}
	smlStart  = []byte{0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1}
)

const (
	smlEnd  = 0x1A
	maxSML  = 8192
	smlTail = 8 // escape, 1A, number of fill bytes, CRC
)

// smlCutter cuts SML files out of the stream and takes the transport off them.
type smlCutter struct {
	x25, kermit field.Sum
	clean       []byte
}

func newSMLCutter() *smlCutter {
	c := &smlCutter{}
	c.x25, _ = field.Named("crc16-x25")
	c.kermit, _ = field.Named("crc16-kermit") // what Holley meters compute
	return c
}

func (c *smlCutter) Most() int { return maxSML }

func (c *smlCutter) Cut(buf []byte) framing.Cut {
	from := bytes.Index(buf, smlStart)
	if from < 0 {
		return framing.Cut{Next: max(0, len(buf)-len(smlStart)+1), More: true}
	}
	c.clean = c.clean[:0]
	for at := from + len(smlStart); ; {
		i := bytes.Index(buf[at:], smlEscape)
		if i < 0 || at+i+smlTail > len(buf) {
			return framing.Cut{Next: from, More: true}
		}
		c.clean = append(c.clean, buf[at:at+i]...)
		esc := buf[at+i : at+i+smlTail]
		switch {
		case bytes.Equal(esc[4:], smlEscape): // four such bytes in the data are sent twice
			c.clean = append(c.clean, smlEscape...)
			at += i + 8
		case esc[4] == smlEnd:
			end := at + i + smlTail
			if err := c.verify(buf[from:end]); err != nil {
				return framing.Cut{Next: from + 1, Err: err}
			}
			fill := min(int(esc[5]), len(c.clean))
			return framing.Cut{From: from, To: end, Next: end, Clean: c.clean[:len(c.clean)-fill]}
		case bytes.Equal(esc[4:], smlStart[4:]):
			return framing.Cut{Next: at + i, Err: errors.New("telegram cut short: the next one begins")}
		default:
			return framing.Cut{Next: from + 1, Err: fmt.Errorf("unknown escape sequence % X", esc)}
		}
	}
}

func (c *smlCutter) verify(file []byte) error {
	n := len(file) - 2
	got := uint64(file[n]) | uint64(file[n+1])<<8
	if c.x25.Of(file[:n]) != got && c.kermit.Of(file[:n]) != got {
		return fmt.Errorf("checksum: %04X is neither the usual nor Holley's", got)
	}
	return nil
}
