package bridge

import (
	"sensorgate/internal/mqtt"
)

// presence says "online" once, when all subscriptions stand: who sees it may send
// commands and they arrive.
func (l *link) presence(subscribed bool) {
	if l.online || !subscribed || l.b.opt.Status.Topic == "" || !l.room(l.window) {
		return
	}
	l.online = true
	l.sayPresence(l.b.opt.Status.Online)
}

// sayPresence encodes a retained message on the status topic. It counts against the
// window like any other.
func (l *link) sayPresence(text string) {
	topic := l.b.statusTopic()
	id := l.track(slot{state: awaitPuback, kind: ofPresence})
	l.out = mqtt.AppendPublish(l.out, l.level, mqtt.PublishFlags(1, false, true), topic, id, nil, []byte(text))
}
