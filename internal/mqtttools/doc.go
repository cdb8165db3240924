// Package mqtttools is the MQTT client at the command line: Pub, Sub and Request do
// what mosquitto_pub, mosquitto_sub and mosquitto_rr do, with their flags.
//
// Each is a value with Flags, which adds its flags to a set, and Run, which checks what
// was parsed, connects, works and returns when all is done or its context ends. Nothing
// survives a run. A broker that is slow makes Pub wait (at most --max-inflight messages
// are unacknowledged) and a slow output makes Sub stop reading, so that TCP slows the
// broker down.
//
// MQTT 3.1 and 3.1.1 are spoken by paho.mqtt.golang, MQTT 5 by paho.golang, both over lines
// that are opened here.
//
// Not done here: the exit status itself and --help texts of the commands (cmd/sensorgate),
// and the bridge's upstream connections, which have their own client.
package mqtttools

// UsageError is an error that is the caller's: wrong flags, or a file named by a flag
// that cannot be read. Any other error happened at run time.
type UsageError struct{ error }

// Unwrap returns the reason.
func (e UsageError) Unwrap() error { return e.error }
