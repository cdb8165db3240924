package meters

import (
	"encoding/binary"
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// mbusFixedUnits are units of the fixed data structure by their six bits. EN 1434-3:1997,
// table of physical units. Beyond them are clocks and what has no unit.
var mbusFixedUnits = []mbusRange{
	{0x02, 0x0A, mbusUnit{"energy", "kWh", 1, -3, mbusQuantity}},       // 1 Wh to 100 MWh
	{0x0B, 0x13, mbusUnit{"energy", "kWh", 1 / 3.6, -3, mbusQuantity}}, // 1 kJ to 100 GJ
	{0x14, 0x1C, mbusUnit{"power", "W", 1, 0, mbusQuantity}},           // 1 W to 100 MW
	{0x1D, 0x25, mbusUnit{"power", "W", 1 / 3.6, 0, mbusQuantity}},     // 1 kJ/h to 100 GJ/h
	{0x26, 0x2E, mbusUnit{"volume", "m³", 1, -6, mbusQuantity}},        // 1 ml to 100 m³
	{0x2F, 0x37, mbusUnit{"flow", "m³/h", 1, -6, mbusQuantity}},        // 1 ml/h to 100 m³/h
	{0x38, 0x38, mbusUnit{"temperature", "°C", 1, -3, mbusQuantity}},
	{0x39, 0x39, mbusUnit{"heat_cost_units", "", 1, 0, mbusQuantity}},
	{0x3F, 0x3F, mbusUnit{"count", "", 1, 0, mbusFigure}},
}

// sameHistoric is the unit of a counter that is the other one's at a former date.
const sameHistoric = 0x3E

// fixed reads the fixed data structure of old meters: number, access, status,
// medium and units, two counters of four bytes.
func (t *mbusTelegram) fixed(p []byte) error {
	const size = 16
	if len(p) < size {
		return errors.New("fixed data cut short")
	}
	status, units := p[5], [2]byte{p[6] & 0x3F, p[7] & 0x3F}
	t.add(mbusRecord{name: "id", value: drivers.Text(fmt.Sprintf("%08X", binary.LittleEndian.Uint32(p)))})
	t.add(mbusRecord{name: "medium", value: drivers.Number(float64(p[6]>>6 | p[7]>>6<<2))})
	t.status(status)
	for i, code := range units {
		other := units[1-i]
		historic := code == sameHistoric || status&0x02 != 0 // stored at a fixed date
		if code == sameHistoric {
			code = other
		}
		u, ok := in(mbusFixedUnits, code)
		if !ok {
			continue
		}
		data := p[8+4*i : 12+4*i]
		r := mbusRecord{name: u.name, unit: u.unit, usual: !historic && u.kind == mbusQuantity}
		if historic {
			r.name += "_s1"
		}
		raw, err := mbusBCD(data)
		if status&0x01 != 0 {
			raw, err = mbusBinary(data)
		}
		if r.fault = err; err == nil {
			r.value = drivers.Number(u.of(raw))
		}
		t.add(r)
	}
	return nil
}
