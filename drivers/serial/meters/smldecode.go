package meters

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sensorgate/drivers"
	"sensorgate/drivers/serial/framing"
)

// smlDecoder takes the values out of the messages of an SML file.
type smlDecoder struct {
	obis     *obisDecoder
	unsigned bool
	sign     *smlSign // nil: values have their sign
	nodes    []smlNode

	// Of the list that is being read.
	dzg       bool // of a meter that sends its power too short
	direction bool // the status word that has it was there
	negative  bool
}

// smlSign is SMLSign, read.
type smlSign struct {
	of, status obisCode
	bit        int
}

func newSMLDecoder(o *SMLOptions, channels []drivers.ChannelConfig) (*smlDecoder, error) {
	obis, err := newOBISDecoder(obisChannels, channels)
	d := &smlDecoder{obis: obis, unsigned: o.Unsigned}
	if o.Sign != nil {
		of, ok1 := parseOBIS(string(o.Sign.Of))
		status, ok2 := parseOBIS(string(o.Sign.Status))
		if !ok1 || !ok2 {
			return nil, errors.New("sign needs two codes")
		}
		d.sign = &smlSign{of, status, o.Sign.Bit}
	}
	return d, err
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

// Decode takes one SML file.
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
func (d *smlDecoder) message(r *framing.Results) {
	body := d.child(0, 3)
	tag, ok := d.integer(d.child(body, 0), false)
	if !ok || int64(tag) != smlGetListResponse {
		return
	}
	response := d.child(body, 1)
	list := d.child(response, 4)
	if list < 0 || d.nodes[list].kind != smlList {
		return
	}
	d.dzg = d.isOldDZG(d.child(response, 1))
	d.negative, d.direction = false, false
	if d.sign != nil {
		d.readDirection(list)
	}
	for i := range d.nodes[list].count {
		d.entry(d.child(list, i), r)
	}
}

// isOldDZG recognises the meters of DZG that send their power as a signed number that is
// too short for it, by the server id: 0A 01 D Z G 00 and the number. Newer ones, from
// 60000000 on, do not.
func (d *smlDecoder) isOldDZG(server int) bool {
	if server < 0 {
		return false
	}
	id := d.nodes[server].data
	return len(id) == 10 && string(id[:6]) == "\x0a\x01DZG\x00" && binary.BigEndian.Uint32(id[6:]) < 60_000_000
}

// readDirection looks for the status word that has the direction of a value. Annex IV,
// 7.6: the status stands behind the name.
func (d *smlDecoder) readDirection(list int) {
	for i := range d.nodes[list].count {
		entry := d.child(list, i)
		if code, ok := d.code(entry); ok && code == d.sign.status {
			word, ok := d.status(entry)
			d.direction, d.negative = ok, word>>d.sign.bit&1 != 0
		}
	}
}

func (d *smlDecoder) code(entry int) (code obisCode, ok bool) {
	name := d.child(entry, 0)
	if name < 0 || len(d.nodes[name].data) != len(code) {
		return code, false
	}
	return obisCode(d.nodes[name].data), true
}

func (d *smlDecoder) status(entry int) (word uint64, ok bool) {
	at := d.child(entry, 1)
	if at < 0 || d.nodes[at].kind != smlUint && d.nodes[at].kind != smlInt || len(d.nodes[at].data) == 0 || len(d.nodes[at].data) > 8 {
		return 0, false
	}
	for _, b := range d.nodes[at].data {
		word = word<<8 | uint64(b)
	}
	return word, true
}

// smlPower is the power of all phases, with its sign.
var smlPower = obisCode{1, 0, 16, 7, 0, present}

// entry is one value: name, status, time, unit, scaler, value, signature.
func (d *smlDecoder) entry(at int, r *framing.Results) {
	code, ok := d.code(at)
	value := d.child(at, 5)
	if !ok || value < 0 {
		return
	}
	if word, ok := d.status(at); ok {
		d.obis.status(code, word, r)
	}
	v, ok := d.integer(value, d.unsigned || d.dzg && code == smlPower)
	if !ok {
		if d.nodes[value].kind == smlString && len(d.nodes[value].data) > 0 {
			d.obis.text(code, hex.EncodeToString(d.nodes[value].data), r)
		}
		return
	}
	scaler, _ := d.integer(d.child(at, 4), false)
	if math.Abs(scaler) > 18 {
		r.Put(code.String(), "", drivers.Value{}, fmt.Errorf("scaler %v is impossible", scaler))
		return
	}
	v = drivers.Scale(v, math.Pow10(int(scaler)), 0)
	if d.sign != nil && code == d.sign.of {
		if !d.direction {
			d.obis.fault(code, fmt.Errorf("no status word stands with %s, so its direction is not known", d.sign.status), r)
			return
		}
		if d.negative && v != 0 {
			v = -v
		}
	}
	unit, _ := d.integer(d.child(at, 3), false)
	d.obis.number(code, v, dlmsUnits[int(unit)], r)
}

// dlmsUnits are the codes of IEC 62056-62, table 4, that meters use.
var dlmsUnits = map[int]string{
	8: "°", 9: "°C", 13: "m³", 14: "m³", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz",
}

// shortSML is how many bytes a number has at least that is signed where the meter sends
// positive ones as signed.
const shortSML = 4

// integer reads a number; as positive, if the meter sends positive ones as signed.
func (d *smlDecoder) integer(at int, positive bool) (float64, bool) {
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
	if n.kind == smlUint || positive && len(n.data) < shortSML {
		return float64(u), true
	}
	unused := 64 - 8*len(n.data)
	return float64(int64(u<<unused) >> unused), true
}
