package meters

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// mbusRecord is one value of a meter.
type mbusRecord struct {
	name  string // quantity, and what is not usual about it: _max, _s5 storage, _t2 tariff, _u1 subunit
	unit  string
	value float64
	usual bool // the present value, without tariff or subunit
}

// Headers of a variable data answer, EN 13757-3: the one with identification, maker,
// version, medium, access number, status and signature; and the short and absent ones.
var mbusHeaders = map[byte]int{0x72: 12, 0x7A: 4, 0x78: 0}

// Special DIFs. EN 13757-3, table 5.
const (
	difMaker  = 0x0F // what follows is the maker's own
	difMore   = 0x1F // the same, and there are more telegrams
	difFiller = 0x2F
)

// decodeMBus returns the records of a long frame, or of E5, which has none. more says that
// the meter has another telegram.
func decodeMBus(frame []byte, give func(mbusRecord)) (more bool, err error) {
	if len(frame) == 1 {
		return false, nil
	}
	ci := frame[6]
	header, ok := mbusHeaders[ci]
	if !ok {
		return false, fmt.Errorf("answer with CI %02X, which is not variable data", ci)
	}
	p := frame[7 : len(frame)-2]
	if len(p) < header {
		return false, errors.New("header cut short")
	}
	if header == 12 && p[9]&0x04 != 0 { // status, EN 13757-3, table 3: power low
		give(mbusRecord{name: "battery_low", value: 1})
	}
	p = p[header:]
	for len(p) > 0 {
		switch p[0] {
		case difFiller:
			p = p[1:]
			continue
		case difMaker:
			return false, nil
		case difMore:
			return true, nil
		}
		r, known, rest, err := mbusNext(p)
		if err != nil {
			return false, err
		}
		if known {
			give(r)
		}
		p = rest
	}
	return false, nil
}

// errMBusCut is the fault of a record that the telegram ends in.
var errMBusCut = errors.New("record cut short")

// mbusInfo is what stands before a record's data: the data information block (DIF, DIFEs)
// and the value information block (VIF, VIFEs). EN 13757-3, section 6.
type mbusInfo struct {
	coding                   byte // of the data
	function                 byte // present value, maximum, minimum, in an error state
	storage, tariff, subunit int
	vif                      byte
	vifes                    []byte
}

// mbusNext reads one record: DIF, DIFEs, VIF, VIFEs, data. EN 13757-3, section 6.
func mbusNext(p []byte) (r mbusRecord, known bool, rest []byte, err error) {
	info, p, err := mbusInformation(p)
	if err != nil {
		return r, false, nil, err
	}
	size, err := mbusSize(info.coding, p)
	if err != nil {
		return r, false, nil, err
	}
	if size > len(p) {
		return r, false, nil, errMBusCut
	}
	data, rest := p[:size], p[size:]
	q, ok := mbusQuantity(info.vif, info.vifes)
	raw, isNumber := mbusNumber(info.coding, data)
	if !ok || !isNumber || info.function == 3 { // a value during an error state
		return r, false, rest, nil
	}
	r = mbusRecord{name: q.name + info.suffix(), unit: q.unit, value: scaleBy(raw, q)}
	r.usual = info.function == 0 && info.storage == 0 && info.tariff == 0 && info.subunit == 0
	return r, true, rest, nil
}

// mbusInformation reads what stands before the data, and returns what is left.
func mbusInformation(p []byte) (info mbusInfo, rest []byte, err error) {
	dif := p[0]
	info.coding, info.function, info.storage = dif&0x0F, dif>>4&3, int(dif>>6&1)
	i := 1
	for more := dif&0x80 != 0; more; i++ {
		if i >= len(p) || i > 10 {
			return info, nil, errMBusCut
		}
		e := p[i]
		info.storage |= int(e&0x0F) << (4*(i-1) + 1)
		info.tariff |= int(e>>4&3) << (2 * (i - 1))
		info.subunit |= int(e>>6&1) << (i - 1)
		more = e&0x80 != 0
	}
	from := i
	for more := true; more; i++ {
		if i >= len(p) || i > from+10 {
			return info, nil, errMBusCut
		}
		more = p[i]&0x80 != 0
	}
	info.vif, info.vifes = p[from], p[from+1:i]
	if info.vif&0x7F == 0x7C { // the unit is a text after the VIF
		if i >= len(p) || i+1+int(p[i]) > len(p) {
			return info, nil, errMBusCut
		}
		i += 1 + int(p[i])
	}
	return info, p[i:], nil
}

// suffix is what a name has behind it for what is not the present value.
func (info *mbusInfo) suffix() string {
	s := [4]string{"", "_max", "_min", "_error"}[info.function]
	for _, part := range []struct {
		mark byte
		n    int
	}{{'s', info.storage}, {'t', info.tariff}, {'u', info.subunit}} {
		if part.n > 0 {
			s = fmt.Sprintf("%s_%c%d", s, part.mark, part.n)
		}
	}
	return s
}

// scaleBy returns raw × factor × 10^exponent, dividing where that is exact.
func scaleBy(raw float64, q mbusUnit) float64 {
	v := raw * q.factor
	if q.exponent < 0 {
		return v / math.Pow10(-q.exponent)
	}
	return v * math.Pow10(q.exponent)
}

// mbusSize is how many bytes of data follow. EN 13757-3, table 4.
func mbusSize(coding byte, p []byte) (int, error) {
	sizes := [16]int{0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, -1, 6, 0}
	n := sizes[coding]
	if n >= 0 {
		return n, nil
	}
	if len(p) == 0 {
		return 0, errors.New("record cut short")
	}
	if lvar := int(p[0]); lvar < 0xC0 {
		return 1 + lvar, nil // a text
	} else if lvar < 0xE0 {
		return 1 + lvar&0x0F, nil // BCD
	}
	return 0, errors.New("variable length of a kind that is not understood")
}

// mbusNumber reads the data. Texts, and BCD with letters, which mark errors, are none.
func mbusNumber(coding byte, p []byte) (float64, bool) {
	switch coding {
	case 1, 2, 3, 4, 6, 7:
		var u uint64
		for i, b := range p {
			u |= uint64(b) << (8 * i)
		}
		unused := 64 - 8*len(p)
		return float64(int64(u<<unused) >> unused), true
	case 5:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(p))), true
	case 9, 10, 11, 12, 14:
		n := 0.0
		for i := len(p) - 1; i >= 0; i-- {
			high, low := p[i]>>4, p[i]&15
			if i == len(p)-1 && high == 0xF { // minus. EN 13757-3, annex B
				high = 0
				defer func() { n = -n }()
			}
			if high > 9 || low > 9 {
				return 0, false
			}
			n = n*100 + float64(high)*10 + float64(low)
		}
		return n, true
	}
	return 0, false
}

// mbusUnit is a quantity and how its raw number becomes ours.
type mbusUnit struct {
	name, unit string
	factor     float64
	exponent   int
}

// mbusQuantity reads the VIF. EN 13757-3, table 10. Extensions that change the meaning
// are left out: a wrong name is worse than none.
func mbusQuantity(vif byte, vifes []byte) (mbusUnit, bool) {
	if len(vifes) > 0 || vif&0x80 != 0 {
		return mbusUnit{}, false
	}
	low3, low2 := int(vif&7), int(vif&3)
	switch {
	case vif < 0x08: // 10^(n-3) Wh
		return mbusUnit{"energy", "kWh", 1, low3 - 6}, true
	case vif < 0x10: // 10^n J
		return mbusUnit{"energy", "kWh", 1 / 3.6, low3 - 6}, true
	case vif < 0x18: // 10^(n-6) m³
		return mbusUnit{"volume", "m³", 1, low3 - 6}, true
	case vif < 0x20: // 10^(n-3) kg
		return mbusUnit{"mass", "kg", 1, low3 - 3}, true
	case vif < 0x28: // on time, operating time: s, min, h, d
		names := [2]string{"on_time", "operating_time"}
		return mbusUnit{names[vif>>2&1], "h", [4]float64{1.0 / 3600, 1.0 / 60, 1, 24}[low2], 0}, true
	case vif < 0x30: // 10^(n-3) W
		return mbusUnit{"power", "W", 1, low3 - 3}, true
	case vif < 0x38: // 10^n J/h
		return mbusUnit{"power", "W", 1.0 / 3600, low3}, true
	case vif < 0x40: // 10^(n-6) m³/h
		return mbusUnit{"flow", "m³/h", 1, low3 - 6}, true
	case vif < 0x48: // 10^(n-7) m³/min
		return mbusUnit{"flow", "m³/h", 60, low3 - 7}, true
	case vif < 0x50: // 10^(n-9) m³/s
		return mbusUnit{"flow", "m³/h", 3600, low3 - 9}, true
	case vif < 0x58: // 10^(n-3) kg/h
		return mbusUnit{"mass_flow", "kg/h", 1, low3 - 3}, true
	case vif < 0x5C:
		return mbusUnit{"flow_temperature", "°C", 1, low2 - 3}, true
	case vif < 0x60:
		return mbusUnit{"return_temperature", "°C", 1, low2 - 3}, true
	case vif < 0x64:
		return mbusUnit{"temperature_difference", "K", 1, low2 - 3}, true
	case vif < 0x68:
		return mbusUnit{"external_temperature", "°C", 1, low2 - 3}, true
	case vif < 0x6C: // 10^(n-3) bar
		return mbusUnit{"pressure", "bar", 1, low2 - 3}, true
	case vif == 0x6E:
		return mbusUnit{"heat_cost_units", "", 1, 0}, true
	}
	return mbusUnit{}, false
}
