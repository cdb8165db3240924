package mqtttools

import (
	paho "github.com/eclipse/paho.mqtt.golang"
)

// message is one PUBLISH as the tools send or print it.
type message struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
	id      uint16      // packet id; 0 with QoS 0
	props   *properties // nil: not MQTT 5
}

// properties are those of a PUBLISH (MQTT 5, 3.3.2.3); what is nil or empty is not there.
type properties struct {
	format         *byte
	expiry         *uint32 // seconds
	contentType    string
	responseTopic  string
	correlation    []byte
	subscriptionID *int
	alias          *uint16
	user           []pair
}

// pair is a user property.
type pair struct{ key, value string }

// received3 is a message as the library for 3.1 and 3.1.1 hands it over.
func received3(m paho.Message) message {
	return message{topic: m.Topic(), payload: m.Payload(), qos: m.Qos(), retain: m.Retained(), id: m.MessageID()}
}
