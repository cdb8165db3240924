package broker

import (
	"testing"

	"sensorgate/internal/mqtt"
)

// Who retains or clears and has the answer forgets it. So PUBACK and PUBREC come when the disk has the value, or its removal, at
// every level and QoS, for who has a session and who has none, and when there was nothing to clear.
func TestRetainedValueIsAnsweredForWhenTheDiskHasIt(t *testing.T) {
	b, g := startGated(t)
	for _, level := range []byte{mqtt.Level311, mqtt.Level5} {
		for _, qos := range []byte{1, 2} {
			for _, keep := range []bool{false, true} {
				pub := connect(t, b, level, "pub", func(con *mqtt.Connect) {
					if keep {
						persistent(con)
					}
				})
				for id, payload := range []string{"first", "newer", "", ""} {
					p := mqtt.AppendPublish(nil, level, mqtt.PublishFlags(qos, false, true), "r", uint16(id+1), nil, []byte(payload))
					g.close()
					pub.write(p)
					pub.quiet("the answer for " + payload)
					g.open()
					pub.frame(map[byte]mqtt.Type{1: mqtt.PUBACK, 2: mqtt.PUBREC}[qos])
				}
				pub.disconnect()
			}
		}
	}
}
