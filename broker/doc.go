// Package broker is the local MQTT server, for protocol levels 3.1, 3.1.1 and 5.
package broker
