package broker

import (
	"testing"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// A client of 3.1.1 sent several messages of QoS 2 at once, and the journal had no room for them: the first refusal closed the
// connection, and the packet ids of the others were kept. Sent again they were taken for repetitions: acknowledged, and stored
// nowhere.
func TestMessagesRefusedTogetherAreTakenWhenTheyComeAgain(t *testing.T) {
	for _, level := range []byte{mqtt.Level311, mqtt.Level5} {
		b, _ := startGated(t)
		spool := func(bytes int64) *journal.Queue {
			q, err := b.journal.OpenQueue("spool/x", journal.Limits{Bytes: bytes, Full: journal.Refuse})
			if err != nil {
				t.Fatal(err)
			}
			return q
		}
		b.Attach("x", []string{"t"}, spool(10))
		send := func(c *client, again bool) {
			var all []byte
			for id := range uint16(3) {
				all = mqtt.AppendPublish(all, level, mqtt.PublishFlags(2, again, false), "t", id+1, nil, []byte("too long for ten bytes"))
			}
			c.write(all)
		}
		first := connect(t, b, level, "pub", persistent)
		send(first, false)
		if level == mqtt.Level311 {
			first.closed()
		} else {
			for range 3 {
				if a, err := mqtt.ParseAck(first.frame(mqtt.PUBREC), level); err != nil || a.Reason != mqtt.QuotaExceeded {
					t.Errorf("%+v, %v; want quota exceeded", a, err)
				}
			}
			first.disconnect()
		}
		q := spool(0)
		next := connect(t, b, level, "pub", persistent)
		send(next, true)
		for range 3 {
			next.frame(mqtt.PUBREC)
		}
		if n := q.Stats().Waiting; n != 3 {
			t.Errorf("level %d: 3 messages are acknowledged and %d are stored", level, n)
		}
	}
}
