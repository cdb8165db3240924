package mqtt

import "time"

// Message is one publication on its way through the gateway.
//
// A Message that was handed over (published, appended, delivered) is shared by
// all who receive it: nobody changes its Payload or Properties afterwards.
type Message struct {
	Topic      string
	Payload    []byte
	QoS        byte // 0, 1 or 2
	Retain     bool
	Properties *PublishProperties // nil: none, as always with MQTT 3.1.1

	// Origin says who brought the message in, so that what came down never goes
	// back up: "" for our own devices, "bridge/NAME" for an upstream,
	// "client/ID" for a network client.
	Origin string

	// Publisher is who brought the message in over the network, as the broker knows it: a
	// value that means something only to Broker.PublisherMay. nil for anybody else, and
	// for a message that was stored in between.
	Publisher any

	// Time is when this process accepted the message. Zero means unknown.
	Time time.Time
}

// PublishProperties are the MQTT 5 properties of a PUBLISH that travel with the
// message (MQTT 5, 3.3.2.3). Topic alias and subscription identifier belong to
// one connection and are not here.
type PublishProperties struct {
	PayloadFormat   byte   // 1: the payload is UTF-8 text
	MessageExpiry   uint32 // seconds; meaningful only with HasExpiry
	HasExpiry       bool
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	User            []UserProperty // in the publisher's order [MQTT-3.3.2-18, v5]
}

// UserProperty is one name and value that MQTT carries but does not interpret.
type UserProperty struct{ Key, Value string }
