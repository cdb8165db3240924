package broker

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/mqtt"
)

// clause is one exchange, byte by byte, named after the rule of the standard that it
// shows. Bytes are hexadecimal; | separates packets for the reader; "text" stands for
// itself.
type clause struct {
	name   string
	in     string // sent after CONNECT (or first, with fresh)
	out    string // what must come back, then either silence (a PINGREQ is answered next) or
	closed bool   // the end of the connection
}

// wire turns the notation into bytes.
func wire(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "", "\n", "", "\t", "").Replace(part))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		out = append(out, b...)
	}
	return out
}

func runClauses(t *testing.T, level byte, fresh bool, clauses []clause) {
	b := start(t)
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) { // one after the other: who subscribes to # hears all
			var cl *client
			if fresh {
				cl = dial(t, b, level)
			} else {
				cl = connect(t, b, level, "c-"+strings.ReplaceAll(t.Name(), "/", "-"))
			}
			cl.write(wire(t, c.in))
			if !c.closed && !fresh {
				cl.write([]byte{0xc0, 0})
				c.out += " d000"
			}
			want := wire(t, c.out)
			got := cl.bytes(len(want), c.closed)
			if string(got) != string(want) {
				t.Errorf("sent % x\n got % x\nwant % x", wire(t, c.in), got, want)
			}
		})
	}
}

// bytes reads n bytes or, if the end is wanted, all there are.
func (c *client) bytes(n int, toEnd bool) (got []byte) {
	c.t.Helper()
	got = append(got, c.have...)
	_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	for toEnd || len(got) < n {
		m, err := c.nc.Read(c.buf)
		got = append(got, c.buf[:m]...)
		if err != nil {
			if isTimeout(err) && toEnd {
				c.t.Error("the connection was not closed")
			}
			break
		}
	}
	return got
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// v4 and v5 begin a CONNECT up to its flags.
const (
	v4 = `0004 "MQTT" 04`
	v5 = `0004 "MQTT" 05`
)

func TestConnectClauses(t *testing.T) {
	runClauses(t, mqtt.Level311, true, []clause{
		{"MQTT-3.1.0-1 first packet is not CONNECT: PINGREQ", "c000", "", true},
		{"MQTT-3.1.0-1 first packet is not CONNECT: PUBLISH", `3003 0001 "a"`, "", true},
		{"MQTT-3.1.0-1 CONNACK to a server (CVE-2021-28166)", "20020000", "", true},
		{"MQTT-3.1.0-2 second CONNECT", `100d` + v4 + `02003c 0001"z" | 100d` + v4 + `02003c 0001"z"`, "20020000", true},
		{"MQTT-2.2.2-2 CONNECT with flags", `110d` + v4 + `02003c 0001"a"`, "", true},
		{"MQTT-3.1.2-1 wrong protocol name", `100d 0004 "MQTX" 04 02 003c 0001"a"`, "", true},
		{"MQTT-3.1.2-2 level 6", `100d 0004 "MQTT" 06 02 003c 0001"a"`, "20 03 00 84 00", true},
		{"MQTT-3.1.2-2 level 3 as MQTT", `100d 0004 "MQTT" 03 02 003c 0001"a"`, "20020001", true},
		{"MQIsdp with level 4", `100f 0006 "MQIsdp" 04 02 003c 0001"a"`, "20020001", true},
		{"MQIsdp with level 3 is MQTT 3.1", `100f 0006 "MQIsdp" 03 02 003c 0001"q"`, "20020000", false},
		{"MQTT-3.1.2-3 reserved connect flag", `100d` + v4 + `03003c 0001"a"`, "", true},
		{"MQTT-3.1.2-13 will QoS without will", `100d` + v4 + `0a003c 0001"a"`, "", true},
		{"MQTT-3.1.2-14 will QoS 3", `1013` + v4 + `1e003c 0001"a" 0001"t" 0001"m"`, "", true},
		{"MQTT-3.1.2-15 will retain without will", `100d` + v4 + `22003c 0001"a"`, "", true},
		{"MQTT-3.1.2-22 password without user name", `1010` + v4 + `42003c 0001"a" 0001"p"`, "", true},
		{"MQTT-3.1.3-8 no client id and no clean session", `100c` + v4 + `00003c 0000`, "20020002", true},
		{"MQTT-3.1.3-6 no client id, clean", `100c` + v4 + `02003c 0000`, "20020000", false},
		{"MQTT-1.5.3-1 client id is not UTF-8", `100e` + v4 + `02003c 0002 c328`, "", true},
		{"MQTT-1.5.3-1 client id with a surrogate D800", `100f` + v4 + `02003c 0003 eda080`, "", true},
		{"MQTT-1.5.3-1 client id overlong", `100e` + v4 + `02003c 0002 c080`, "", true},
		{"MQTT-1.5.3-2 client id with U+0000", `100d` + v4 + `02003c 0001 00`, "", true},
		{"MQTT-4.7.1-1 will topic with a wildcard", `1013` + v4 + `06003c 0001"a" 0001"#" 0001"m"`, "20020003", true},
		{"payload shorter than it says", `100d` + v4 + `02003c 0009"a"`, "", true},
		{"bytes after the payload", `100e` + v4 + `02003c 0001"a" 00`, "", true},
		{"remaining length of five bytes", "10ffffffff01", "", true},
		{"remaining length beyond the bound before login", "10808004", "", true},
		{"v5 MQTT-3.1.2-11 unknown property", `1010` + v5 + `02003c 02 7f00 0001"a"`, "20 03 00 81 00", true},
		{"v5 MQTT-3.1.2-11 session expiry twice", `1018` + v5 + `02003c 0a 1100000001 1100000001 0001"a"`, "20 03 00 82 00", true},
		{"v5 receive maximum 0", `1011` + v5 + `02003c 03 210000 0001"a"`, "20 03 00 82 00", true},
		{"v5 maximum packet size 0", `1013` + v5 + `02003c 05 2700000000 0001"a"`, "20 03 00 82 00", true},
		{"v5 request problem information 2", `1010` + v5 + `02003c 02 1702 0001"a"`, "20 03 00 82 00", true},
		{"v5 authentication data without a method", `1012` + v5 + `02003c 04 160001"x" 0001"a"`, "20 03 00 82 00", true},
		{"v5 MQTT-4.12.0-1 enhanced authentication is refused", `1012` + v5 + `02003c 04 150001"x" 0001"a"`, "20 03 00 8c 00", true},
		{"v5 a property of another packet", `1011` + v5 + `02003c 03 230001 0001"a"`, "20 03 00 82 00", true},
		{"v5 property length beyond the packet", `100e` + v5 + `02003c 7f 0001"a"`, "20 03 00 81 00", true},
		{"v5 receive maximum, alias maximum and packet size are announced", `100e` + v5 + `02003c 00 0001"b"`,
			"20 0e 00 00 0b 21 1000 27 001e8480 22 0040", false},
		{"v5 MQTT-3.2.2-16 assigned client id is announced", `100e` + v5 + `02003c 00 0001"d"`, "20 0e 00 00 0b 21 1000 27 001e8480 22 0040", false},
	})
}

func TestClauses311(t *testing.T) {
	runClauses(t, mqtt.Level311, false, []clause{
		{"MQTT-3.12.4-1 PINGREQ", "c000", "d000", false},
		{"MQTT-2.2.2-2 PINGREQ with flags", "c100", "", true},
		{"PINGREQ with a body", "c00100", "", true},
		{"MQTT-3.3.1-4 QoS 3", `3605 0001"a" 0001`, "", true},
		{"MQTT-3.3.1-2 DUP with QoS 0", `3803 0001"a"`, "", true},
		{"MQTT-2.3.1-1 PUBLISH with packet id 0", `3205 0001"a" 0000`, "", true},
		{"MQTT-3.3.2-2 wildcard in a PUBLISH topic: #", `3003 0001"#"`, "", true},
		{"MQTT-3.3.2-2 wildcard in a PUBLISH topic: +", `3005 0003"a/+"`, "", true},
		{"MQTT-4.7.3-1 empty topic (CVE-2021-34432)", "3002 0000", "", true},
		{"MQTT-1.5.3-1 topic is not UTF-8", "3003 0001 ff", "", true},
		{"MQTT-1.5.3-2 topic with U+0000", "3003 0001 00", "", true},
		{"PUBLISH without room for its topic", `3003 0005"a"`, "", true},
		{"PUBLISH QoS 1 without packet id", `3203 0001"a"`, "", true},
		{"MQTT-4.3.2-2 QoS 1 is acknowledged", `3206 0001"a" 0007 "x"`, "40020007", false},
		{"MQTT-4.3.3-2 QoS 2 in four steps", `3406 0001"a" 0007 "x" | 62020007`, "50020007 | 70020007", false},
		{"MQTT-4.3.3-2 QoS 2 twice is one message", `3406 0001"a" 0007 "x" | 3c06 0001"a" 0007 "x"`, "50020007 50020007", false},
		{"MQTT-3.6.1-1 PUBREL without its flags", "60020007", "", true},
		{"PUBREL for an unknown id is answered", "62020009", "70020009", false},
		{"PUBACK for an unknown id", "40020009", "", false},
		{"PUBREC for an unknown id is answered with PUBREL", "50020009", "62020009", false},
		{"PUBCOMP for an unknown id", "70020009", "", false},
		{"PUBACK with packet id 0", "40020000", "", true},
		{"PUBACK too short", "400100", "", true},
		{"PUBACK with bytes after it", "4003000700", "", true},
		{"PUBACK with flags", "41020007", "", true},
		{"MQTT-3.8.1-1 SUBSCRIBE without its flags", `8006 0001 0001"a" 00`, "", true},
		{"MQTT-2.3.1-1 SUBSCRIBE with packet id 0", `8206 0000 0001"a" 00`, "", true},
		{"MQTT-3.8.3-3 SUBSCRIBE without a filter", "8202 0001", "", true},
		{"MQTT-3.8.3-4 SUBSCRIBE with QoS 3", `8206 0001 0001"a" 03`, "", true},
		{"MQTT-3.8.3-4 SUBSCRIBE with reserved bits", `8206 0001 0001"a" 04`, "", true},
		{"SUBSCRIBE without options", `8205 0001 0001"a"`, "", true},
		{"MQTT-3.8.4-5 SUBSCRIBE to three is answered with three", `820e 000a 0001"a"00 0001"b"01 0001"c"02`, "9005000a 000102", false},
		{"MQTT-4.7.1-2 filter a/#/b ends the connection", `820e 000a 0005"a/#/b"01 0001"b"01`, "", true},
		{"MQTT-4.7.1-3 filter a+ ends the connection", `8207 000a 0002"a+"01`, "", true},
		{"MQTT-4.7.3-1 empty filter ends the connection", `8205 000a 0000 01`, "", true},
		{"MQTT-1.5.3-1 filter is not UTF-8", "8206 000a 0001 ff 00", "", true},
		{"MQTT-3.10.1-1 UNSUBSCRIBE without its flags", `a005 0001 0001"a"`, "", true},
		{"MQTT-3.10.3-2 UNSUBSCRIBE without a filter", "a202 0001", "", true},
		{"MQTT-3.10.4-5 UNSUBSCRIBE from nothing is answered", `a205 0001 0001"a"`, "b0020001", false},
		{"MQTT-3.14.4-2 DISCONNECT", "e000", "", true},
		{"MQTT-3.14.1-1 DISCONNECT with flags", "e100", "", true},
		{"DISCONNECT with a body", "e00100", "", true},
		{"SUBACK to a server", "9003000101", "", true},
		{"UNSUBACK to a server", "b0020001", "", true},
		{"PINGRESP to a server", "d000", "", true},
		{"CONNACK to a server", "20020000", "", true},
		{"AUTH below level 5", "f000", "", true},
		{"reserved type 0", "0000", "", true},
		{"remaining length of five bytes", "30ffffffff01", "", true},
		{"packet larger than allowed", "30ffffff7f", "", true},
		{"one packet byte by byte is one packet", `32 06 00 01 "a" 00 07 "x"`, "40020007", false},
		{"a publication comes back with the QoS asked for", `8206 0001 0001"r" 01 | 3206 0001"r" 0005 "x"`,
			`9003000101 | 3206 0001"r" 0001 "x" | 40020005`, false},
		{"MQTT-3.8.4-6 QoS is the smaller of both", `8206 0001 0001"s" 02 | 3004 0001"s" "x"`, `9003000102 | 3004 0001"s" "x"`, false},
		{"MQTT-4.7.2-1 # does not match $SYS", `8206 0001 0001"#" 00`, "9003000100", false},
		{"publication to $SYS is acknowledged and goes nowhere", `320a 0005"$SYS/" 0001 "x"`, "40020001", false},
	})
}

func TestClauses5(t *testing.T) {
	runClauses(t, mqtt.Level5, false, []clause{
		{"PUBLISH QoS 1 nobody wants", `3207 0001"a" 0007 00 "x"`, "40030007 10", false},
		{"MQTT-3.3.1-4 QoS 3", `3606 0001"a" 0001 00`, disconnected(0x81, "QoS 3"), true},
		{"MQTT-3.3.1-2 DUP with QoS 0", `3804 0001"a" 00`, disconnected(0x81, "DUP on a QoS 0 message"), true},
		{"MQTT-2.2.1-3 packet id 0", `3206 0001"a" 0000 00`, disconnected(0x82, "packet identifier 0"), true},
		{"MQTT-3.3.2-2 wildcard in a PUBLISH topic", `3004 0001"#" 00`, disconnected(0x90, "topic name is not allowed"), true},
		{"MQTT-3.3.2-8 topic alias 0", `3007 0001"a" 03 230000`, disconnected(0x94, "topic alias 0"), true},
		{"MQTT-3.3.2-9 topic alias above the maximum", `3007 0001"a" 03 230041`, disconnected(0x94, "topic alias is greater than the maximum"), true},
		{"topic alias that was not set", `3006 0000 03 230001`, disconnected(0x82, "topic alias that was not set"), true},
		{"empty topic without alias", `3003 0000 00`, disconnected(0x82, "topic name is empty and there is no topic alias"), true},
		{"MQTT-3.3.2-14 response topic with a wildcard", `3008 0001"a" 04 080001"#"`, disconnected(0x82, "property has a value that is not allowed"), true},
		{"MQTT-3.3.4-6 subscription identifier from a client", `3006 0001"a" 02 0b01`,
			disconnected(0x82, "subscription identifier in a PUBLISH to the server"), true},
		{"payload format indicator 2", `3006 0001"a" 02 0102`, disconnected(0x82, "property has a value that is not allowed"), true},
		{"content type twice", `300c 0001"a" 08 030001"x" 030001"x"`, disconnected(0x82, "property given twice"), true},
		{"property that is not text", `3008 0001"a" 04 030001 ff`, disconnected(0x81, "text is not well-formed UTF-8 or has U+0000"), true},
		{"MQTT-1.5.5-1 length in more bytes than needed", "c0 80 00", disconnected(0x81, "length is written in more bytes than needed"), true},
		{"PUBACK with an unknown reason", "40030007 42", disconnected(0x82, "reason code does not belong in this packet"), true},
		{"PUBACK with reason and properties", "40040007 10 00", "", false},
		{"PUBREC with an error ends the exchange", "50030007 97", "62030007 92", false},
		{"PUBREC for an unknown id", "50020009", "62030009 92", false},
		{"PUBREL for an unknown id", "62020009", "70030009 92", false},
		{"SUBSCRIBE options: retain handling 3", `8207 0001 00 0001"a" 30`, disconnected(0x82, "retain handling 3"), true},
		{"MQTT-3.8.3-5 SUBSCRIBE options: reserved bits", `8207 0001 00 0001"a" 40`, disconnected(0x81, "reserved bits of the subscription options are set"), true},
		{"MQTT-3.8.3-4 no-local on a shared subscription", `8210 0001 00 000a"$share/g/a" 04`, disconnected(0x82, "no-local on a shared subscription"), true},
		{"MQTT-4.8.2-1 share without a group", `820f 0001 00 0009"$share//a" 00`, "90040001 00 8f", false},
		{"MQTT-4.8.2-2 share group with a wildcard", `8210 0001 00 000a"$share/+/a" 00`, "90040001 00 8f", false},
		{"subscription identifier 0", `8209 0001 02 0b00 0001"a" 00`, disconnected(0x82, "property has a value that is not allowed"), true},
		{"SUBSCRIBE to a filter that is not valid", `8209 0001 00 0003"a#b" 00`, "90040001 00 8f", false},
		{"UNSUBSCRIBE from nothing", `a206 0001 00 0001"a"`, "b0040001 00 11", false},
		{"MQTT-3.14.2-2 session expiry raised from 0 by DISCONNECT", "e007 00 05 1100000001",
			disconnected(0x82, "session expiry raised from 0 in DISCONNECT"), true},
		{"server reference in a DISCONNECT from a client", `e006 00 04 1c0001"x"`, disconnected(0x82, "property does not belong in this packet"), true},
		{"DISCONNECT with a reason only a server gives", "e00189", disconnected(0x82, "reason code does not belong in this packet"), true},
		{"DISCONNECT", "e000", "", true},
		{"AUTH without a method", "f000", disconnected(0x82, "AUTH without an authentication method"), true},
		{"AUTH with flags", "f100", disconnected(0x81, "reserved flags of the fixed header are wrong"), true},
		{"second CONNECT", `100e` + v5 + `02003c 00 0001"z"`, disconnected(0x82, "second CONNECT"), true},
		{"packet larger than announced", "30ffffff7f", disconnected(0x95, "packet is larger than allowed"), true},
		{"SUBACK to a server", "9003000101", disconnected(0x82, "packet that only a server sends, or of a reserved type"), true},
		{"topic alias set and used", `8207 0001 00 0001"a" 00 | 3008 0001"a" 03 230001 "x" | 3007 0000 03 230001 "y"`,
			`90040001 00 00 | 3005 0001"a" 00 "x" | 3005 0001"a" 00 "y"`, false},
		{"MQTT-3.3.4-4 all subscription identifiers of overlapping filters, in any order, one message",
			`8209 0001 02 0b01 0001"o" 00 | 820b 0002 02 0b02 0003"o/#" 00 | 3005 0001"o" 00 "x"`,
			`90040001 00 00 | 90040002 00 00 | 3009 0001"o" 04 0b02 0b01 "x"`, false},
		{"MQTT-3.8.3-3 no-local", `8207 0001 00 0001"n" 04 | 3005 0001"n" 00 "x"`, "90040001 00 00", false},
		{"MQTT-3.3.2-18 user properties keep their order",
			`8207 0001 00 0001"u" 00 | 3013 0001"u" 0e 260001"b"0001"1" 260001"a"0001"2" "x"`,
			`90040001 00 00 | 3013 0001"u" 0e 260001"b"0001"1" 260001"a"0001"2" "x"`, false},
		{"all publication properties travel",
			`8207 0001 00 0001"p" 00 | 301f 0001"p" 1a 0101 02 00000064 030001"t" 080001"r" 090001"c" 260001"k"0001"v" "!"`,
			`90040001 00 00 | 301f 0001"p" 1a 02 00000064 0101 030001"t" 080001"r" 090001"c" 260001"k"0001"v" "!"`, false},
		{"publication to $SYS is refused", `320b 0005"$SYS/" 0001 00 "x"`, "40030001 87", false},
	})
}

// disconnected is a DISCONNECT with a reason and its text.
func disconnected(reason byte, text string) string {
	return hex.EncodeToString(mqtt.AppendDisconnect(nil, mqtt.Level5, mqtt.Reason(reason), text))
}
