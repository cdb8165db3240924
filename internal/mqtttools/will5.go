package mqtttools

import (
	"encoding/binary"
	"net"
	"slices"

	"sensorgate/internal/mqtt"
)

// willConn puts into the CONNECT what the library leaves out of it: of the properties of a last
// will paho.golang 0.23 writes only the delay and those of the user.
type willConn struct {
	net.Conn
	extra []byte // properties as they are on the wire
	head  []byte // of the CONNECT, until it is whole
	sent  bool
}

func (w *willConn) Write(b []byte) (int, error) {
	if w.sent {
		return w.Conn.Write(b)
	}
	w.head = append(w.head, b...)
	packet := withWillProperties(w.head, w.extra)
	if packet == nil {
		return len(b), nil // it comes in pieces
	}
	w.sent, w.head = true, nil
	if _, err := w.Conn.Write(packet); err != nil {
		return 0, err
	}
	return len(b), nil
}

// willExtra is what the library leaves out of the properties of the will; nil if there is none.
func (c *client) willExtra() []byte {
	if c.willTopic == "" {
		return nil
	}
	w := &c.properties.will
	p := &mqtt.PublishProperties{ContentType: w.contentType, ResponseTopic: w.responseTopic, CorrelationData: w.correlation, HasExpiry: w.expiry != nil}
	var expiry uint32
	if w.expiry != nil {
		expiry = *w.expiry
	}
	if w.format != nil {
		p.PayloadFormat = *w.format
	}
	return mqtt.AppendPublishProperties(nil, p, expiry)
}

// withWillProperties returns a CONNECT of MQTT 5 with a will to whose properties some are added
// (3.1), nil as long as the packet is not whole.
func withWillProperties(packet, extra []byte) []byte {
	if len(packet) < 2 {
		return nil
	}
	size, n := binary.Uvarint(packet[1:]) // 1.5.5: the same encoding
	if n <= 0 || len(packet) < 1+n+int(size) {
		return nil
	}
	body := packet[1+n:]
	at := 10 // 3.1.2.1 to 3.1.2.10: protocol name, level, flags, keep-alive
	properties, n := binary.Uvarint(body[at:])
	at += n + int(properties)
	at += 2 + int(binary.BigEndian.Uint16(body[at:])) // 3.1.3.1: the client id
	had, n := binary.Uvarint(body[at:])               // 3.1.3.2: the will's properties
	body = slices.Concat(body[:at], binary.AppendUvarint(nil, had+uint64(len(extra))), extra, body[at+n:])
	return slices.Concat(packet[:1], binary.AppendUvarint(nil, uint64(len(body))), body)
}
