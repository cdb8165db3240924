package meters

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// smlUnits are numbers of units: DLMS/COSEM, IEC 62056-6-2, table of units; and the power
// of ten that a simulated meter sends with.
var smlUnits = map[string]struct {
	number byte
	scaler int8
	factor float64 // from the channel's unit to the telegram's
}{
	"kWh": {30, -1, 1e3}, "W": {27, -1, 1}, "V": {35, -1, 1}, "A": {33, -2, 1}, "Hz": {44, -2, 1}, "kvarh": {32, -1, 1e3}, "var": {29, -1, 1}, "VA": {28, -1, 1},
}

// simulateSML is a meter that sends an SML file with one list.
func simulateSML(s drivers.DeviceConfig) (drivers.Simulation, error) {
	var list []quantity
	for _, q := range quantities(obisChannels, s.Channels) {
		if _, ok := smlUnits[q.channel.Unit]; ok {
			list = append(list, q)
		}
	}
	sum, err := field.Named("crc16-x25")
	return drivers.Simulation{
		Every: everyTelegram, Values: valuesOf(list),
		Speak: func(ran time.Duration) []byte { return smlTransport(smlListMessage(list, ran, sum), sum) },
	}, err
}

// smlTransport puts the transport around messages. BSI TR-03109-1 annex IV, section 8.
func smlTransport(messages []byte, sum field.Sum) []byte {
	fill := (4 - len(messages)%4) % 4
	messages = append(messages, make([]byte, fill)...)
	file := append(bytes.Clone(smlStart), bytes.ReplaceAll(messages, smlEscape, append(bytes.Clone(smlEscape), smlEscape...))...)
	file = append(append(file, smlEscape...), smlEnd, byte(fill))
	return binary.LittleEndian.AppendUint16(file, uint16(sum.Of(file)))
}

// smlListMessage is a GetListResponse. Annex IV, 5.1.13.
func smlListMessage(list []quantity, ran time.Duration, sum field.Sum) []byte {
	none := []byte{0x01}
	values := smlLength(0x70, len(list))
	for n := range list {
		q := &list[n]
		u := smlUnits[q.channel.Unit]
		raw := int64(math.Round(q.likely(n, ran) * u.factor / math.Pow10(int(u.scaler))))
		values = append(values, 0x77, 0x07)
		values = append(values, q.code[:]...)
		if q.channel.Name == "energy_import" {
			values = append(values, 0x65, 0x00, 0x00, 0x01, 0x82) // status: drawing from the grid
		} else {
			values = append(values, none...)
		}
		values = append(values, 0x01, 0x62, u.number, 0x52, byte(u.scaler), 0x59)
		values = append(binary.BigEndian.AppendUint64(values, uint64(raw)), 0x01)
	}
	m := []byte{0x76, 0x05, 's', 'i', 'm', '1', 0x62, 0x00, 0x62, 0x00, 0x72, 0x63, 0x07, 0x01, 0x77, 0x01}
	m = append(m, 0x0B, 0x0A, 0x01, 'S', 'I', 'M', 0x00, 0x00, 0x00, 0x00, 0x01) // server: maker SIM, number 1
	m = append(append(m, 0x01, 0x01), values...)
	m = append(m, 0x01, 0x01)
	c := uint16(sum.Of(m))
	return append(m, 0x63, byte(c), byte(c>>8), 0x00)
}

// smlLength is a type and length field. Annex IV, 6.3.1.
func smlLength(kind byte, n int) []byte {
	if n < 16 {
		return []byte{kind | byte(n)}
	}
	return []byte{0x80 | kind | byte(n>>4), byte(n & 15)}
}
