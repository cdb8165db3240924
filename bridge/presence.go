package bridge

import (
	"time"

	"sensorgate/internal/mqtt"
)

// presence publishes "online" once, when all subscriptions stand: who sees it may send
// commands and they arrive.
//
// After a connection that broke it says so a second time, when the will of the old connection
// can be published no more: another node of a cluster may hold that connection until its
// keep-alive has run out one and a half times (3.1.2.10).
func (c *connection) presence(subscribed bool, now time.Time) {
	if !subscribed || c.stopping || c.b.opt.Status.Topic == "" || !c.room(c.window) {
		return
	}
	switch {
	case !c.saidOnline:
		c.saidOnline = true
		if broke := c.b.brokenAt; !broke.IsZero() && !c.b.opt.Status.Once {
			c.repeatOnlineAt = broke.Add(c.b.opt.KeepAlive*3/2 + repeatSlack)
		}
	case !c.repeatOnlineAt.IsZero() && !now.Before(c.repeatOnlineAt):
		c.repeatOnlineAt = time.Time{}
	default:
		return
	}
	c.publishPresence(c.b.opt.Status.Online)
}

const repeatSlack = 5 * time.Second

// publishPresence encodes a retained message on the status topic. It counts against the
// window like any other.
func (c *connection) publishPresence(text string) {
	topic := c.b.statusTopic()
	qos := min(1, c.maxQoS)
	var id uint16
	if qos > 0 {
		id = c.track(slot{state: awaitPuback, kind: ofPresence})
	}
	c.out.publish(mqtt.PublishFlags(qos, false, c.mayRetain), topic, id, nil, []byte(text), false)
}

// reportGap publishes what was lost, when there is something to tell.
func (c *connection) reportGap() {
	if c.stopping || c.maxQoS == 0 || c.b.opt.Status.Topic == "" || !c.room(c.window) {
		return // without an acknowledgement nobody knows whether it was reported
	}
	record := c.b.gaps.report()
	if record == nil {
		return
	}
	id := c.track(slot{state: awaitPuback, kind: ofGap, bytes: int32(len(record))})
	c.out.publish(mqtt.PublishFlags(1, false, false), c.b.gapTopic(), id, nil, record, false)
}

// gapTopic is where the upstream learns of what it will not get: beside the status. An
// upstream without a status topic has fixed topics of its own, and gets no report.
func (b *Bridge) gapTopic() string { return b.statusTopic() + "/gap" }
