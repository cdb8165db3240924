package modbus

// Device identification. App 6.21: function 43, MEI type 14, read code 1 (basic), from
// object 0 on.
const (
	identificationType = 14
	basicObjects       = 1
)

// identification answers function 43: maker, product and revision of the simulator.
func (m *simulator) identification(pdu []byte) []byte {
	if len(pdu) != 4 || pdu[1] != identificationType || pdu[2] != basicObjects {
		return []byte{pdu[0] | exceptionBit, byte(illegalFunction)}
	}
	objects := []string{"sensorgate", "simulator", "1"}
	answer := []byte{encapsulated, identificationType, basicObjects, basicObjects, 0, 0, byte(len(objects))}
	for id, text := range objects {
		answer = append(append(answer, byte(id), byte(len(text))), text...)
	}
	return answer
}
