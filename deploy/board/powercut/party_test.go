package powercut

import "sensorgate/internal/mqtt"

// Topics, each with one publisher.
const (
	topicExact   = "led/two"  // QoS 2
	topicBulk    = "bulk/two" // QoS 2, large: the queue of who is behind overflows
	topicOnce    = "led/one"  // QoS 1
	topicKept    = "kept/now" // QoS 1, retained, cleared now and then
	topicCommand = "cmd/two"  // QoS 2, from the upstream
	topicOrder   = "cmd/one"  // QoS 1, from the upstream
)

// party is somebody with a session: a client of the gateway, or its upstream. It remembers what the standard wants
// it to, whatever happens to the gateway (4.1 Storing State).
type party struct {
	name    string
	level   byte
	filters []mqtt.Subscription // of a durable subscriber
	topics  []string            // that it publishes on
	bounded bool                // more is sent to it than its queue takes: what is not there has to be counted
	qos     map[string]byte

	out    []*outgoing     // sent and not complete, in order
	in     map[uint16]bool // QoS 2, taken and not released
	got    map[string]map[int]int
	newest map[string]int

	asked int // moment of a clean start's CONNECT that has no answer yet
	ended int // moment of the last clean start's CONNECT that has one: an earlier session is dead
	began int // moment of the last CONNACK
	since int // moment of the last SUBACK that made something new: what begins later is promised
}

// outgoing is a message on its way.
type outgoing struct {
	*message
	id       uint16
	released bool // PUBREC came
}

// parties are all who take part; names are client ids.
func parties() []*party {
	led2, cmd := mqtt.Subscription{Filter: "led/#", QoS: 2}, mqtt.Subscription{Filter: "cmd/#", QoS: 2}
	all := []*party{
		{name: "exact", level: mqtt.Level5, topics: []string{topicExact, topicBulk}},
		{name: "once", level: mqtt.Level311, topics: []string{topicOnce}},
		{name: "keeper", level: mqtt.Level5, topics: []string{topicKept}},
		{name: "near", level: mqtt.Level311, filters: []mqtt.Subscription{led2, cmd}},
		{name: "near5", level: mqtt.Level5, filters: []mqtt.Subscription{led2, cmd}},
		{name: "away", level: mqtt.Level311, filters: []mqtt.Subscription{led2, cmd}},
		{name: behindName, level: mqtt.Level5, filters: []mqtt.Subscription{{Filter: topicBulk, QoS: 2}}, bounded: true},
		{name: "clean", level: mqtt.Level5, filters: []mqtt.Subscription{{Filter: topicOnce, QoS: 1}}},
		{name: upstreamName, level: mqtt.Level5, topics: []string{topicCommand, topicOrder}, filters: []mqtt.Subscription{led2}},
		{name: goneName, level: mqtt.Level5, filters: []mqtt.Subscription{{Filter: topicExact, QoS: 2}}, bounded: true},
	}
	for _, p := range all {
		p.qos = map[string]byte{topicExact: 2, topicBulk: 2, topicOnce: 1, topicKept: 1, topicCommand: 2, topicOrder: 1}
		p.in, p.got, p.newest = map[uint16]bool{}, map[string]map[int]int{}, map[string]int{}
	}
	return all
}

// find returns the place of a packet id in out, or -1.
func (p *party) find(id uint16) int {
	for i, o := range p.out {
		if o.id == id {
			return i
		}
	}
	return -1
}

// freeID returns the lowest packet id that is free: the sooner one is used again, the better.
func (p *party) freeID() uint16 {
	for id := uint16(1); ; id++ {
		if p.find(id) < 0 {
			return id
		}
	}
}

func (p *party) session(e event, moment int) {
	switch e.Kind {
	case connecting:
		if e.Clean {
			p.asked = moment
		}
	case connected:
		if e.Clean && p.asked != 0 { // another session
			p.ended, p.asked = p.asked, 0
			p.got, p.newest, p.in = map[string]map[int]int{}, map[string]int{}, map[uint16]bool{}
		}
		p.began = moment
	case subscribed:
		if p.since <= p.ended {
			p.since = moment
		}
	}
}

// durable reports whether the gateway has promised to keep the party's session.
func (p *party) durable() bool { return p.began != 0 && p.asked == 0 }

// packet is a message as it goes out.
func (o *outgoing) packet(level byte, dup bool) []byte {
	return mqtt.AppendPublish(nil, level, mqtt.PublishFlags(o.qos, dup, o.topic == topicKept), o.topic, o.id, nil, payload(o.topic, o.n, o.clear))
}
