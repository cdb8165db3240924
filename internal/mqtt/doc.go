// Package mqtt holds what the broker and the bridge share of MQTT: the Message,
// topic names and filters, and the packet codec for protocol levels 3.1.1 and 5.
//
// It opens nothing, starts nothing and imports nothing of ours: bytes in, values
// out. Clause numbers such as [MQTT-3.3.2-2] refer to the OASIS standards MQTT
// 3.1.1 and, where marked v5, MQTT 5.0.
package mqtt
