package meters

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"sensorgate/drivers"
)

// mbusRecord is one value of a meter.
type mbusRecord struct {
	// name is the quantity, and behind it what is not usual about it: _l1 phase, _max,
	// _s5 storage, _t2 tariff, _u1 subunit, _2 the second of the same kind.
	name  string
	unit  string
	value drivers.Value
	fault error // why there is no value
	usual bool  // a present quantity, without tariff or subunit
}

// mbusTelegram is what the long frames of one read-out have.
type mbusTelegram struct {
	records []mbusRecord
	more    bool // the meter has another frame
}

// Headers of a variable data answer, EN 13757-3: the one with identification, maker,
// version, medium, access number, status and signature; and the short and absent ones.
var mbusHeaders = map[byte]int{0x72: 12, 0x7A: 4, 0x78: 0}

// mbusOther are answers that are not read, and why. EN 13757-3, table 2.
var mbusOther = map[byte]string{
	0x70: "the meter reports an error instead of data", 0x71: "an alarm instead of data", 0x66: "the meter reports an error instead of data",
	0x76: "data with the high byte first, of the standard before 2004", 0x77: "data with the high byte first, of the standard before 2004",
}

// Special DIFs. EN 13757-3, table 5.
const (
	difMaker  = 0x0F // what follows is the maker's own
	difMore   = 0x1F // the same, and there are more telegrams
	difFiller = 0x2F
)

// mbusModes are encrypted answers, by the mode in the configuration field.
var mbusModes = []byte{5, 7, 8, 9, 13}

// decode adds the records of a long frame, or of E5, which has none. An error is of the
// frame as a whole, or of the place from which it cannot be read on: the records before
// it are there.
func (t *mbusTelegram) decode(frame []byte) error {
	t.more = false
	if len(frame) == 1 {
		return nil
	}
	ci := frame[6]
	p := frame[7 : len(frame)-2]
	if ci == 0x73 {
		return t.fixed(p)
	}
	header, ok := mbusHeaders[ci]
	switch {
	case !ok && mbusOther[ci] != "":
		return fmt.Errorf("answer with CI %02X: %s", ci, mbusOther[ci])
	case !ok:
		return fmt.Errorf("answer with CI %02X, which is not data", ci)
	case len(p) < header:
		return errors.New("header cut short")
	}
	if header > 0 {
		config := binary.LittleEndian.Uint16(p[header-2:])
		if mode := byte(config >> 8 & 0x1F); slices.Contains(mbusModes, mode) {
			return fmt.Errorf("encrypted (mode %d): ask the maker how to switch that off on the wire", mode)
		}
		if len(t.records) == 0 { // every frame of a read-out has the same
			t.header(p[:header])
		}
	}
	return t.read(p[header:])
}

// header are the records that stand in the header.
func (t *mbusTelegram) header(h []byte) {
	if len(h) == 12 {
		t.add(mbusRecord{name: "id", value: drivers.Text(fmt.Sprintf("%08X", binary.LittleEndian.Uint32(h)))})
		t.add(mbusRecord{name: "manufacturer", value: drivers.Text(mbusMaker(binary.LittleEndian.Uint16(h[4:])))})
		t.add(mbusRecord{name: "version", value: drivers.Number(float64(h[6]))})
		t.add(mbusRecord{name: "medium", value: drivers.Number(float64(h[7]))})
	}
	status := h[len(h)-3]
	t.status(status)
}

// mbusMaker is the maker's three letters, five bits each. EN 13757-3, 5.5.
func mbusMaker(code uint16) string {
	return string([]byte{byte(code>>10&31) + 64, byte(code>>5&31) + 64, byte(code&31) + 64})
}

// status are bits of the status byte. EN 13757-3, table 6.
func (t *mbusTelegram) status(status byte) {
	for i, name := range []string{"battery_low", "permanent_error", "temporary_error"} {
		t.add(mbusRecord{name: name, value: drivers.Number(float64(status >> (2 + i) & 1))})
	}
}

// add enters a record; several of the same kind in one telegram are numbered by place.
func (t *mbusTelegram) add(r mbusRecord) {
	n := 1
	for _, other := range t.records {
		if other.name == r.name {
			n++
		}
	}
	if n == 1 {
		t.records = append(t.records, r)
		return
	}
	plain := r.name
	for taken := true; taken; n++ {
		r.name = fmt.Sprintf("%s_%d", plain, n)
		taken = slices.ContainsFunc(t.records, func(o mbusRecord) bool { return o.name == r.name })
	}
	r.usual = false
	t.records = append(t.records, r)
}

// read reads the records behind the header.
func (t *mbusTelegram) read(p []byte) error {
	for len(p) > 0 {
		switch p[0] {
		case difFiller:
			p = p[1:]
			continue
		case difMaker:
			return nil
		case difMore:
			t.more = true
			return nil
		}
		r, rest, err := mbusNext(p)
		if err != nil {
			return err
		}
		if r.name != "" {
			t.add(r)
		}
		p = rest
	}
	return nil
}

// errMBusCut is the fault of a record that the telegram ends in.
var errMBusCut = errors.New("record cut short")

// mbusInfo is what stands before a record's data: the data information block (DIF, DIFEs)
// and the value information block (VIF, VIFEs). EN 13757-3, section 6.
type mbusInfo struct {
	coding                   byte // of the data
	function                 byte // present value, maximum, minimum, in an error state
	storage, tariff, subunit uint64
	vif                      byte
	vifes                    []byte
	text                     string // the unit, written out
}

// mbusNext reads one record: DIF, DIFEs, VIF, VIFEs, data. One without a name has no
// value. What no table has is named after its codes, and left out singly.
func mbusNext(p []byte) (r mbusRecord, rest []byte, err error) {
	info, p, err := mbusInformation(p)
	if err != nil {
		return r, nil, err
	}
	size, err := mbusSize(info.coding, p)
	if err != nil {
		return r, nil, err
	}
	if size > len(p) {
		return r, nil, errMBusCut
	}
	return info.record(p[:size]), p[size:], nil
}

// record makes the record of the data.
func (info *mbusInfo) record(data []byte) (r mbusRecord) {
	if len(data) == 0 {
		return r // selected for read-out, without data
	}
	unit, vifes, known := info.quantity()
	suffix, plain, fault, understood := "", false, error(nil), false
	if known {
		suffix, plain, fault, understood = unit.qualify(vifes)
	}
	if !known || !understood {
		r.name = fmt.Sprintf("unknown_%02x", info.vif)
		for _, v := range info.vifes {
			r.name += fmt.Sprintf("%02x", v)
		}
		r.name += info.suffix()
		r.value = drivers.Text(hex.EncodeToString(data))
		return r
	}
	r.name, r.unit = unit.name+suffix+info.suffix(), unit.unit
	r.usual = unit.kind == mbusQuantity && plain && info.function == 0 && info.storage == 0 && info.tariff == 0 && info.subunit == 0
	if r.fault = fault; fault == nil {
		r.value, r.fault = info.value(unit, data)
	}
	return r
}

// value reads the data as what they are.
func (info *mbusInfo) value(unit mbusUnit, data []byte) (drivers.Value, error) {
	if unit.kind == mbusDate {
		return mbusTime(data)
	}
	if info.coding == 0x0D && data[0] < 0xC0 {
		return drivers.Text(reversed(data[1:])), nil
	}
	if unit.kind == mbusText {
		return drivers.Text(fmt.Sprintf("%X", reversedBytes(data))), nil
	}
	raw, err := mbusNumber(info.coding, data)
	if err != nil {
		return drivers.Value{}, err
	}
	return drivers.Number(unit.of(raw)), nil
}

// reversed returns a text, which is sent with the last letter first, in ISO 8859-1.
func reversed(p []byte) string {
	letters := make([]rune, len(p))
	for i, b := range p {
		letters[len(p)-1-i] = rune(b)
	}
	return string(letters)
}

// mbusInformation reads what stands before the data, and returns what is left.
func mbusInformation(p []byte) (info mbusInfo, rest []byte, err error) {
	dif := p[0]
	info.coding, info.function, info.storage = dif&0x0F, dif>>4&3, uint64(dif>>6&1)
	i := 1
	for more := dif&0x80 != 0; more; i++ {
		if i >= len(p) || i > 10 {
			return info, nil, errMBusCut
		}
		e := p[i]
		info.storage |= uint64(e&0x0F) << (4*(i-1) + 1)
		info.tariff |= uint64(e>>4&3) << (2 * (i - 1))
		info.subunit |= uint64(e>>6&1) << (i - 1)
		more = e&0x80 != 0
	}
	if i >= len(p) {
		return info, nil, errMBusCut
	}
	info.vif = p[i]
	more := p[i]&0x80 != 0
	i++
	// A unit that is written out stands right behind the VIF, before the VIFEs: three
	// makers do so, and the standard's example too (8.4.5).
	if info.vif&0x7F == 0x7C {
		if i >= len(p) || i+1+int(p[i]) > len(p) {
			return info, nil, errMBusCut
		}
		info.text = reversed(p[i+1 : i+1+int(p[i])])
		i += 1 + int(p[i])
	}
	for from := i; more; i++ {
		if i >= len(p) || i > from+10 {
			return info, nil, errMBusCut
		}
		info.vifes = append(info.vifes, p[i])
		more = p[i]&0x80 != 0
	}
	return info, p[i:], nil
}

// suffix is what a name has behind it for what is not the present value.
func (info *mbusInfo) suffix() string {
	s := [4]string{"", "_max", "_min", "_error"}[info.function]
	for _, part := range []struct {
		mark byte
		n    uint64
	}{{'s', info.storage}, {'t', info.tariff}, {'u', info.subunit}} {
		if part.n > 0 {
			s = fmt.Sprintf("%s_%c%d", s, part.mark, part.n)
		}
	}
	return s
}

// mbusSize is how many bytes of data follow. EN 13757-3, tables 4 and 9 (LVAR).
func mbusSize(coding byte, p []byte) (int, error) {
	sizes := [16]int{0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, -1, 6, 0}
	n := sizes[coding]
	if n >= 0 {
		return n, nil
	}
	if len(p) == 0 {
		return 0, errMBusCut
	}
	switch lvar := int(p[0]); {
	case lvar < 0xC0: // a text
		return 1 + lvar, nil
	case lvar < 0xE0: // BCD, positive and negative: two digits each
		return 1 + lvar&0x0F, nil
	case lvar < 0xF0: // binary
		return 1 + lvar - 0xE0, nil
	case lvar < 0xF5: // binary, four bytes each
		return 1 + 4*(lvar-0xEC), nil
	case lvar < 0xF7:
		return 1 + [2]int{48, 64}[lvar-0xF5], nil
	}
	return 0, fmt.Errorf("data of a length that the standard reserves (LVAR %02X)", p[0])
}

// mbusNumber reads the data.
func mbusNumber(coding byte, p []byte) (float64, error) {
	switch coding {
	case 1, 2, 3, 4, 6, 7:
		return mbusBinary(p)
	case 5:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(p))), nil // NaN is no value
	case 9, 10, 11, 12, 14:
		return mbusBCD(p)
	case 13:
		switch lvar, p := p[0], p[1:]; {
		case len(p) == 0:
			return math.NaN(), nil
		case lvar >= 0xE0:
			return mbusBinary(p)
		case lvar >= 0xD0:
			n, err := mbusBCD(p)
			return 0 - n, err // not -0
		default:
			return mbusBCD(p)
		}
	}
	return 0, fmt.Errorf("data of coding %X", coding)
}

func mbusBinary(p []byte) (float64, error) {
	if len(p) > 8 {
		return 0, fmt.Errorf("a number of %d bytes", len(p))
	}
	var u uint64
	for i, b := range p {
		u |= uint64(b) << (8 * i)
	}
	unused := 64 - 8*len(p)
	return float64(int64(u<<unused) >> unused), nil
}

// mbusBCD reads decimal digits, the last byte first. EN 13757-3, annex B: F in the first
// digit is a minus; other letters mark an error.
func mbusBCD(p []byte) (float64, error) {
	n, minus := 0.0, false
	for i := len(p) - 1; i >= 0; i-- {
		high, low := p[i]>>4, p[i]&15
		if i == len(p)-1 && high == 0xF {
			high, minus = 0, true
		}
		if high > 9 || low > 9 {
			return 0, fmt.Errorf("the meter marks it as an error (%X)", reversedBytes(p))
		}
		n = n*100 + float64(high)*10 + float64(low)
	}
	if minus && n != 0 {
		return -n, nil
	}
	return n, nil
}

func reversedBytes(p []byte) []byte {
	q := slices.Clone(p)
	slices.Reverse(q)
	return q
}
