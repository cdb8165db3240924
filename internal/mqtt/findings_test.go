package mqtt

import (
	"errors"
	"testing"
)

// A mosquitto bridge sets the highest bit of the level (0x84, 0x83); it is the level
// without it.
func TestConnectOfAMosquittoBridge(t *testing.T) {
	for packet, want := range map[string]Connect{
		"\x10\x12\x00\x04MQTT\x84\x00\x00\x3c\x00\x06vm.br1":   {Level: Level311, Bridge: true, ClientID: "vm.br1"},
		"\x10\x14\x00\x06MQIsdp\x83\x00\x00\x3c\x00\x06vm.br1": {Level: Level31, Bridge: true, ClientID: "vm.br1"},
		"\x10\x12\x00\x04MQTT\x04\x00\x00\x3c\x00\x06vm.br1":   {Level: Level311, ClientID: "vm.br1"},
	} {
		c, err := ParseConnect(frameOf(t, []byte(packet)))
		if err != nil || c.Level != want.Level || c.Bridge != want.Bridge || c.ClientID != want.ClientID {
			t.Errorf("% x is read as %+v, %v, want %+v", packet, c, err, want)
			continue
		}
		if got := string(AppendConnect(nil, c)); got != packet {
			t.Errorf("written again it is % x, want % x", got, packet)
		}
	}
	for _, level := range []byte{0x80, 0x85, 0x86, 0xff} {
		packet := []byte("\x10\x0d\x00\x04MQTT\x00\x02\x00\x3c\x00\x01a")
		packet[8] = level
		if c, err := ParseConnect(frameOf(t, packet)); !errors.Is(err, ErrVersion) || c == nil || c.Level != level {
			t.Errorf("level %#x: %+v, %v", level, c, err)
		}
	}
}

// MQTT 3.1 does not use flags that the later levels check.
func TestUnusedBitsOfMQTT31AreIgnored(t *testing.T) {
	if _, err := ParseConnect(frameOf(t, []byte("\x1f\x0f\x00\x06MQIsdp\x03\x03\x00\x3c\x00\x01a"))); err != nil {
		t.Errorf("CONNECT with unused bits: %v", err)
	}
	if _, err := ParseConnect(frameOf(t, []byte("\x11\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"))); err == nil {
		t.Error("3.1.1 CONNECT with flags is accepted")
	}
	for packet, want := range map[string]byte{"\x8a\x06\x00\x01\x00\x01a\x00": 2, "\x6a\x02\x00\x01": 2, "\xc1\x00": 0, "\x3b\x03\x00\x01a": 0x0b} {
		f := frameOf(t, []byte(packet))
		if f.IgnoreUnused(); f.Flags != want {
			t.Errorf("% x: flags %x, want %x", packet, f.Flags, want)
		}
	}
	if got := string(AppendConnack(nil, Level31, &Connack{SessionPresent: true})); got != "\x20\x02\x00\x00" {
		t.Errorf("CONNACK at 3.1 is % x", got)
	}
	if c, err := ParseConnack(frameOf(t, []byte("\x20\x02\xff\x00")), Level31); err != nil || c.SessionPresent {
		t.Errorf("CONNACK at 3.1 is read as %+v, %v", c, err)
	}
}

// A remaining length in more bytes than needed is a fault at level 5 only.
func TestLongRemainingLength(t *testing.T) {
	for packet, long := range map[string]bool{"\xc0\x80\x00": true, "\xc0\x80\x80\x80\x00": true, "\xc0\x00": false, "\x40\x82\x00\x00\x07": true} {
		f, n, err := NextFrame([]byte(packet), MaxRemaining)
		if err != nil || n != len(packet) || f.LongLength != long {
			t.Errorf("% x: %+v, %d, %v; want long %v", packet, f, n, err, long)
		}
		for i := 1; i < len(packet)-2; i++ {
			if f, _, err := NextFrame([]byte(packet[:i]), MaxRemaining); f.Raw != nil || err != nil {
				t.Errorf("% x is taken as whole, %v", packet[:i], err)
			}
		}
	}
	if _, _, err := NextFrame([]byte("\x30\xff\xff\xff\xff\x01"), MaxRemaining); err == nil {
		t.Error("a length of five bytes is accepted")
	}
	if _, err := ParseConnect(frameOf(t, []byte("\x10\x8e\x00\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a"))); !errors.Is(err, ErrLongLength) {
		t.Errorf("CONNECT at level 5: %v", err)
	}
	if _, err := ParseConnect(frameOf(t, []byte("\x10\x8d\x00\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"))); err != nil {
		t.Errorf("CONNECT at 3.1.1: %v", err)
	}
}

// A response topic is a topic: not empty. From a server it is forgiven.
func TestEmptyResponseTopic(t *testing.T) {
	var p Publish
	if err := ParsePublish(frameOf(t, []byte("\x30\x07\x00\x01a\x03\x08\x00\x00")), Level5, &p); err != nil {
		t.Errorf("from a server: %v", err)
	}
	var fault *Error
	if err := p.FromClient(); !errors.As(err, &fault) || fault.Reason != ProtocolError {
		t.Errorf("from a client: %v", err)
	}
	will := "\x10\x18\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01a\x03\x08\x00\x00\x00\x01t\x00\x01m"
	if _, err := ParseConnect(frameOf(t, []byte(will))); !errors.As(err, &fault) || fault.Reason != ProtocolError {
		t.Errorf("in a will: %v", err)
	}
}

func TestReservedCodesOfASuback(t *testing.T) {
	for _, c := range []struct {
		packet string
		level  byte
		ok     bool
	}{
		{"\x90\x05\x00\x01\x00\x02\x80", Level311, true},
		{"\x90\x03\x00\x01\x03", Level311, false},
		{"\x90\x03\x00\x01\x87", Level311, false},
		{"\x90\x05\x00\x01\x00\x02\x97", Level5, true},
		{"\x90\x04\x00\x01\x00\x03", Level5, false},
		{"\x90\x04\x00\x01\x00\x92", Level5, false},
		{"\xb0\x04\x00\x01\x00\x11", Level5, true},
		{"\xb0\x04\x00\x01\x00\x02", Level5, false},
	} {
		if _, codes, err := ParseSuback(frameOf(t, []byte(c.packet)), c.level); (err == nil) != c.ok {
			t.Errorf("% x at level %d: %v, %v", c.packet, c.level, codes, err)
		}
	}
}
