package modbus

import (
	"bytes"
	"testing"

	"sensorgate/drivers"
)

// Two requests that come at once, as behind a buffering adapter, are both answered: the
// simulator wrote into the second while it looked at the first.
func TestSimulatorAnswersRequestsThatComeTogether(t *testing.T) {
	config := drivers.DeviceConfig{Options: &Options{Unit: 1}, Channels: []drivers.ChannelConfig{
		{Name: "a", Unit: "V", Options: &Channel{Holding: ptr(0)}}, {Name: "b", Unit: "A", Options: &Channel{Holding: ptr(1)}},
	}}
	m, err := newSimulator(config)
	if err != nil {
		t.Fatal(err)
	}
	first, second := readRequest(Holding, 0, 1), readRequest(Holding, 1, 1)
	one, _ := m.answerRTU(0, seal(1, first.pdu))
	other, _ := m.answerRTU(0, seal(1, second.pdu))
	if len(one) != 7 || len(other) != 7 {
		t.Fatalf("answers % X and % X, want one register each", one, other)
	}
	both, rest := m.answerRTU(0, append(seal(1, first.pdu), seal(1, second.pdu)...))
	if !bytes.Equal(both, append(one, other...)) || len(rest) != 0 {
		t.Errorf("both together are answered % X, % X not understood; want % X % X", both, rest, one, other)
	}
}
