package bridge

import (
	"strings"

	"sensorgate/internal/mqtt"
)

// hopsMax bounds the gateways on a message's way.
const hopsMax = 16

func fromBridge(origin string) bool { return strings.HasPrefix(origin, "bridge/") }

func has(p *mqtt.PublishProperties, key string) bool {
	if p == nil {
		return false
	}
	for i := range p.User {
		if p.User[i].Key == key {
			return true
		}
	}
	return false
}

// visits counts the gateways that a message has passed.
func visits(p *mqtt.PublishProperties) (n int) {
	if p == nil {
		return 0
	}
	for i := range p.User {
		if k := p.User[i].Key; k == propID || k == propVia {
			n++
		}
	}
	return n
}

// visited reports whether a message has passed node before.
func visited(p *mqtt.PublishProperties, node string) bool {
	if p == nil {
		return false
	}
	for i := range p.User {
		if u := &p.User[i]; (u.Key == propID || u.Key == propVia) && u.Value == node {
			return true
		}
	}
	return false
}
