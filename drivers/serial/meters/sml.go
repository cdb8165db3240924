package meters

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// MeterOptions of a meter that pushes its values.
type MeterOptions struct {
	serial.Wire
	Silence time.Duration `toml:"silence" doc:"After this time without a good telegram a fault is reported."`
}

// Outputs are the usual channels.
func (o *MeterOptions) Outputs() []drivers.Channel { return obisOutputs(obisChannels) }

func smlDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "sml",
		Summary:        "SML electricity meters (Germany: eHZ, mMe) through an optical head",
		Options:        func() any { return &MeterOptions{Silence: time.Minute} },
		ChannelOptions: func() any { return new(OBISChannel) },
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*MeterOptions)
			obis, err := newOBISDecoder(obisChannels, s.Channels)
			if err != nil {
				return nil, err
			}
			return framing.Open(ws, s, framing.Device{
				Wire: o.Wire, Silence: o.Silence, Framer: framing.Framer{Cutter: newSMLCutter()}, Decoder: &smlDecoder{obis: obis},
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

// smlDecoder takes the values out of the messages of an SML file.
type smlDecoder struct {
	obis  *obisDecoder
	nodes []smlNode
}

// Types of SML elements, bits 4 to 6 of the type-length field. Annex IV, 6.3.
const (
	smlString = 0
	smlBool   = 4
	smlInt    = 5
	smlUint   = 6
	smlList   = 7
)

const (
	smlGetListResponse = 0x0701
	maxSMLDepth        = 12
	maxSMLNodes        = 4096
)

// smlNode is one element. A list's children follow it; end is the node after them.
type smlNode struct {
	kind  byte
	data  []byte
	count int // of a list
	end   int
}

func (d *smlDecoder) Decode(file []byte, h *framing.Results) {
	for len(file) > 0 {
		if file[0] == 0 { // end of a message, or filling
			file = file[1:]
			continue
		}
		d.nodes = d.nodes[:0]
		rest, err := d.parse(file, 0)
		if err != nil {
			h.Reject(fmt.Errorf("sml: %w", err))
			return
		}
		d.message(h)
		file = rest
	}
}

// parse reads one element with all below it.
func (d *smlDecoder) parse(p []byte, depth int) (rest []byte, err error) {
	if len(p) == 0 {
		return nil, errors.New("cut short")
	}
	if depth > maxSMLDepth || len(d.nodes) >= maxSMLNodes {
		return nil, errors.New("nested too deep, or too many values")
	}
	kind := p[0] >> 4 & 7
	length, used := int(p[0]&15), 1
	for more := p[0]&0x80 != 0; more; used++ { // 6.3.1: four bits more with each byte
		if used >= len(p) || used > 3 {
			return nil, errors.New("length that does not end")
		}
		length = length<<4 | int(p[used]&15)
		more = p[used]&0x80 != 0
	}
	me := len(d.nodes)
	d.nodes = append(d.nodes, smlNode{kind: kind, count: length})
	if kind == smlList {
		rest = p[used:]
		for range length {
			if rest, err = d.parse(rest, depth+1); err != nil {
				return nil, err
			}
		}
	} else {
		if length < used || length > len(p) {
			if p[0] != 0 {
				return nil, fmt.Errorf("element of %d bytes, %d are left", length, len(p))
			}
			length = 1 // the end-of-message mark
		}
		d.nodes[me].data = p[used:max(used, length)]
		rest = p[max(used, length):]
	}
	d.nodes[me].end = len(d.nodes)
	return rest, nil
}

// child returns the n-th child of the list at node at; -1 if there is none.
func (d *smlDecoder) child(at, n int) int {
	if at < 0 || d.nodes[at].kind != smlList || n >= d.nodes[at].count {
		return -1
	}
	c := at + 1
	for range n {
		c = d.nodes[c].end
	}
	return c
}

// message looks for values in one SML message: transaction, group, abort, body, crc, end.
func (d *smlDecoder) message(h *framing.Results) {
	body := d.child(0, 3)
	tag, ok := d.integer(d.child(body, 0))
	if !ok || int64(tag) != smlGetListResponse {
		return
	}
	list := d.child(d.child(body, 1), 4)
	if list < 0 || d.nodes[list].kind != smlList {
		return
	}
	for i := range d.nodes[list].count {
		d.entry(d.child(list, i), h)
	}
}

// entry is one value: name, status, time, unit, scaler, value, signature.
func (d *smlDecoder) entry(at int, h *framing.Results) {
	name, value := d.child(at, 0), d.child(at, 5)
	if name < 0 || value < 0 || len(d.nodes[name].data) != 6 {
		return
	}
	code := obisCode(d.nodes[name].data)
	v, ok := d.integer(value)
	if !ok {
		if d.nodes[value].kind == smlString && len(d.nodes[value].data) > 0 {
			d.obis.text(code, hex.EncodeToString(d.nodes[value].data), h)
		}
		return
	}
	scaler, _ := d.integer(d.child(at, 4))
	if math.Abs(scaler) > 18 {
		h.Put(code.String(), "", drivers.Value{}, fmt.Errorf("scaler %v is impossible", scaler))
		return
	}
	v = drivers.Scale(v, math.Pow10(int(scaler)), 0)
	unit, _ := d.integer(d.child(at, 3))
	d.obis.number(code, v, dlmsUnits[int(unit)], h)
}

// dlmsUnits are the codes of IEC 62056-62, table 4, that meters use.
var dlmsUnits = map[int]string{27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz"}

func (d *smlDecoder) integer(at int) (float64, bool) {
	if at < 0 {
		return 0, false
	}
	n := d.nodes[at]
	if n.kind != smlInt && n.kind != smlUint || len(n.data) == 0 || len(n.data) > 8 {
		return 0, false
	}
	var u uint64
	for _, b := range n.data {
		u = u<<8 | uint64(b)
	}
	if n.kind == smlUint {
		return float64(u), true
	}
	unused := 64 - 8*len(n.data)
	return float64(int64(u<<unused) >> unused), true
}
