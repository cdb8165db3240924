package bridge

import (
	"time"

	"sensorgate/internal/mqtt"
)

// presence says "online" once, when all subscriptions stand: who sees it may send
// commands and they arrive.
//
// After a link that broke it says so a second time, when the will of the old connection
// can be published no more: another node of a cluster may hold that connection until its
// keep-alive has run out one and a half times (3.1.2.10).
func (l *link) presence(subscribed bool, now time.Time) {
	if !subscribed || l.stopping || l.b.opt.Status.Topic == "" || !l.room(l.window) {
		return
	}
	switch {
	case !l.online:
		l.online = true
		if broke := l.b.broke; !broke.IsZero() {
			l.sayAgain = broke.Add(l.b.opt.KeepAlive*3/2 + sayAgainSlack)
		}
	case !l.sayAgain.IsZero() && !now.Before(l.sayAgain):
		l.sayAgain = time.Time{}
	default:
		return
	}
	l.sayPresence(l.b.opt.Status.Online)
}

const sayAgainSlack = 5 * time.Second

// sayPresence encodes a retained message on the status topic. It counts against the
// window like any other.
func (l *link) sayPresence(text string) {
	topic := l.b.statusTopic()
	qos := min(1, l.maxQoS)
	var id uint16
	if qos > 0 {
		id = l.track(slot{state: awaitPuback, kind: ofPresence})
	}
	l.out = mqtt.AppendPublish(l.out, l.level, mqtt.PublishFlags(qos, false, l.mayRetain), topic, id, nil, []byte(text))
}

// tellGap publishes what was lost, when there is something to tell.
func (l *link) tellGap() {
	if l.stopping || l.maxQoS == 0 || l.b.opt.Status.Topic == "" || !l.room(l.window) {
		return // without an acknowledgement nobody knows whether it was told
	}
	record := l.b.gaps.tell()
	if record == nil {
		return
	}
	id := l.track(slot{state: awaitPuback, kind: ofGap, bytes: int32(len(record))})
	l.out = mqtt.AppendPublish(l.out, l.level, mqtt.PublishFlags(1, false, false), l.b.gapTopic(), id, nil, record)
}

// gapTopic is where the upstream learns of what it will not get: beside the status. An
// upstream without a status topic has fixed topics of its own, and is told nothing.
func (b *Bridge) gapTopic() string { return b.statusTopic() + "/gap" }
