package broker

import (
	"fmt"
	"slices"
	"time"

	"sensorgate/internal/mqtt"
)

// Limits are what a client may ask for and do. Options has them for all listeners, and a
// Listener its own: what is not set there is the broker's. A reload changes them for who
// connects from then on.
type Limits struct {
	// MaxPacketSize is in bytes; default 2,000,000.
	MaxPacketSize int `toml:"max_packet_size" quantity:"size" doc:"The largest packet; a client that sends a larger one is disconnected."`

	// MaxPerAddress bounds the connections at a time from one address; 0: no bound.
	MaxPerAddress int `toml:"max_per_address" example:"20" doc:"How many clients may be connected from one address at one time; default: no bound."`

	// MaxQoS is 0, 1 or 2; nil: 2. Subscriptions get no more; a client that publishes with
	// more is disconnected, and one of MQTT 5 is informed before.
	MaxQoS *int `toml:"max_qos" example:"1" doc:"The highest quality of service, 0, 1 or 2: subscriptions get no more, and a client that publishes with more is disconnected."`

	// ReceiveMaximum is how many QoS 2 messages a client of MQTT 5 may have under way;
	// default 4096.
	ReceiveMaximum int `toml:"receive_maximum" example:"20" doc:"How many messages of QoS 1 and 2 a client of MQTT 5 may send before they are acknowledged, 1 to 4096."`

	// MaxKeepAlive bounds how long a silent client is believed to be there; 0: no bound.
	// A client of MQTT 5 is informed, one of 3.1.1 that asks for more, or for none, is refused.
	MaxKeepAlive time.Duration `toml:"max_keepalive" doc:"The longest keep-alive; a client of MQTT 5 that asks for more gets this one, another one is refused. Default: no bound."`

	// ServerKeepAlive is the keep-alive that clients of MQTT 5 have to use instead of
	// their own; 0: their own.
	ServerKeepAlive time.Duration `toml:"server_keepalive" doc:"The keep-alive that clients of MQTT 5 use instead of their own; default: their own."`

	// Protocols are the levels that may connect; empty: all.
	Protocols []string `toml:"protocols" example:"[\"3.1.1\", \"5\"]" doc:"The protocol levels that may connect: 3.1, 3.1.1 and 5; default: all."`

	// Anonymous lets clients in that show no login, or none of them. nil: only those of
	// this machine, and only where there is no password file.
	Anonymous *bool `toml:"anonymous" doc:"Whether clients without user name may connect; default: only from this machine, and only while there are no passwords."`
}

// Protocols that Limits.Protocols may name.
var protocolNames = map[string]byte{"3.1": mqtt.Level31, "3.1.1": mqtt.Level311, "5": mqtt.Level5}

// minPacket is the smallest that MaxPacketSize may be: packets of the protocol itself fit.
const minPacket = 1 << 10

// Check returns the first key that has a value it cannot have, and what is expected of it;
// "" if all are good.
func (l *Limits) Check() (key, expected string) {
	keepAlive := func(d time.Duration) bool { return d == 0 || d >= time.Second && d <= 65535*time.Second }
	switch {
	case l.MaxPacketSize != 0 && (l.MaxPacketSize < minPacket || l.MaxPacketSize > mqtt.MaxRemaining):
		return "max_packet_size", "1KiB to 255MiB"
	case l.MaxPerAddress < 0:
		return "max_per_address", "1 or more"
	case l.MaxQoS != nil && (*l.MaxQoS < 0 || *l.MaxQoS > 2):
		return "max_qos", "0, 1 or 2"
	case l.ReceiveMaximum < 0 || l.ReceiveMaximum > maxReceived:
		return "receive_maximum", fmt.Sprintf("1 to %d", maxReceived)
	case !keepAlive(l.MaxKeepAlive):
		return "max_keepalive", "1s to 65535s"
	case !keepAlive(l.ServerKeepAlive):
		return "server_keepalive", "1s to 65535s"
	}
	for _, p := range l.Protocols {
		if protocolNames[p] == 0 {
			return "protocols", `some of "3.1", "3.1.1" and "5"`
		}
	}
	return "", ""
}

func (l *Limits) check() error {
	if key, expected := l.Check(); key != "" {
		return fmt.Errorf("%s: expected %s", key, expected)
	}
	return nil
}

// over returns the limits with what is not set taken from those of the broker.
func (l Limits) over(b *Limits) Limits {
	if l.MaxPacketSize == 0 {
		l.MaxPacketSize = b.MaxPacketSize
	}
	if l.MaxPerAddress == 0 {
		l.MaxPerAddress = b.MaxPerAddress
	}
	if l.MaxQoS == nil {
		l.MaxQoS = b.MaxQoS
	}
	if l.ReceiveMaximum == 0 {
		l.ReceiveMaximum = b.ReceiveMaximum
	}
	if l.MaxKeepAlive == 0 {
		l.MaxKeepAlive = b.MaxKeepAlive
	}
	if l.ServerKeepAlive == 0 {
		l.ServerKeepAlive = b.ServerKeepAlive
	}
	if len(l.Protocols) == 0 {
		l.Protocols = b.Protocols
	}
	if l.Anonymous == nil {
		l.Anonymous = b.Anonymous
	}
	return l
}

// maxQoS is the highest quality of service.
func (l *Limits) maxQoS() byte {
	if l.MaxQoS == nil {
		return 2
	}
	return byte(*l.MaxQoS)
}

// receiveMaximum is for a client of the level: only MQTT 5 can say it to the client.
func (l *Limits) receiveMaximum(level byte) int {
	if l.ReceiveMaximum == 0 || level != mqtt.Level5 {
		return maxReceived
	}
	return l.ReceiveMaximum
}

// speaks reports whether clients of the level may connect.
func (l *Limits) speaks(level byte) bool {
	return len(l.Protocols) == 0 || slices.ContainsFunc(l.Protocols, func(p string) bool { return protocolNames[p] == level })
}

// keepAlive returns the keep-alive of a client that asks for one, whether the client has
// to be told, and false if its level has no way to be told.
func (l *Limits) keepAlive(level byte, asked time.Duration) (d time.Duration, tell, ok bool) {
	d = asked
	if level == mqtt.Level5 && l.ServerKeepAlive > 0 {
		d = l.ServerKeepAlive.Truncate(time.Second)
	}
	if l.MaxKeepAlive > 0 && (d == 0 || d > l.MaxKeepAlive) {
		d = l.MaxKeepAlive.Truncate(time.Second)
	}
	return d, d != asked, d == asked || level == mqtt.Level5
}
