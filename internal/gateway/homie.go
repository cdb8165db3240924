package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"sensorgate/bridge"
	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/homie"
	"sensorgate/internal/journal"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// homieSide publishes values, states and commands in Homie's terms for one configuration:
// at our broker and over the connections of its own to upstreams, whose last will is the
// state lost. It is called on the goroutines of devices.
type homieSide struct {
	k           *conventions
	node        describe.Node
	model       *homie.Model
	connections []*upstream // to upstreams
	crowded     flood       // commands that were dropped

	speak sync.Mutex         // held while something is said: what is newest is said last
	open  map[*upstream]bool // who has the descriptions and may hear of values; nil is our own broker

	mu     sync.Mutex
	health map[string]drivers.Health
	values map[string]mqtt.Message // retained ones by topic
	order  []string
	meant  map[string]string // by the topic of a value: what was set and is not answered yet
}

func newHomieSide(k *conventions, c *config.Config) *homieSide {
	h := &homieSide{
		k: k, node: describe.Of(c),
		health: map[string]drivers.Health{}, values: map[string]mqtt.Message{}, meant: map[string]string{},
		open: map[*upstream]bool{},
	}
	h.crowded.report = func(n int64) { k.log.Warn("Homie commands were dropped: too many at once", "commands", n) }
	h.model = homie.New(&h.node, c.Homie)
	k.g.mu.Lock()
	devices := k.g.devices
	k.g.mu.Unlock()
	for _, d := range devices {
		h.health[d.cfg.Name] = d.runner.Health()
		d.mu.Lock()
		for _, s := range d.newest {
			h.remember(d.cfg.Name, s.published)
		}
		d.mu.Unlock()
	}
	return h
}

// remember makes the messages of a reading and keeps what is to be said again.
func (h *homieSide) remember(device string, r drivers.Reading) (ms []mqtt.Message) {
	d, known := h.node.Device(device)
	if !known {
		return nil
	}
	c, known := d.Channel(r.Channel)
	if !known {
		return nil
	}
	m := mqtt.Message{Topic: h.model.ValueTopic(d, c), Payload: []byte(h.model.Value(r)), QoS: 1, Retain: true}
	if !homie.Retained(c) { // it must not come late or twice (5.0, "QoS choices explained")
		m.QoS, m.Retain = 0, false
		return []mqtt.Message{m}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.model.TargetTopic(d, c); t != "" {
		ms = h.targetLocked(t, &m)
	}
	h.keepLocked(m)
	return append(ms, m)
}

// targetLocked is the target that goes before a value, if it is another one: what the
// value was set to, byte by byte, or else itself. 21.50 stays the target of 21.5, which
// is equivalent (5.0, "Target attribute").
func (h *homieSide) targetLocked(topic string, value *mqtt.Message) []mqtt.Message {
	goal, asked := h.meant[value.Topic]
	if !asked {
		goal = string(value.Payload)
		if old, there := h.values[topic]; there && equivalent(string(old.Payload), goal) {
			return nil
		}
	}
	return h.aimLocked(topic, goal)
}

func equivalent(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return a == b || errX == nil && errY == nil && x == y
}

func (h *homieSide) aimLocked(topic, goal string) []mqtt.Message {
	if old, there := h.values[topic]; there && string(old.Payload) == goal {
		return nil
	}
	m := mqtt.Message{Topic: topic, Payload: []byte(goal), QoS: 1, Retain: true}
	h.keepLocked(m)
	return []mqtt.Message{m}
}

func (h *homieSide) keepLocked(m mqtt.Message) {
	if _, there := h.values[m.Topic]; !there {
		h.order = append(h.order, m.Topic)
	}
	h.values[m.Topic] = m
}

func (h *homieSide) published(device string, rs []mapping.Sample) {
	h.speak.Lock()
	defer h.speak.Unlock()
	for _, s := range rs {
		h.say(h.remember(device, s.Rounded())...)
	}
}

func (h *homieSide) condition(device string, health drivers.Health) {
	h.speak.Lock()
	defer h.speak.Unlock()
	h.mu.Lock()
	h.health[device] = health
	h.mu.Unlock()
	if m, ok := h.model.Log(device, health); ok {
		h.say(mqtt.Message{Topic: m.Topic, Payload: []byte(m.Payload)})
	}
	h.say(h.states()...)
}

func (h *homieSide) states() (ms []mqtt.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.model.States(h.health) {
		ms = append(ms, mqtt.Message{Topic: m.Topic, Payload: []byte(m.Payload), QoS: 1, Retain: true})
	}
	return ms
}

// say publishes here and at the upstreams. The caller holds speak.
func (h *homieSide) say(ms ...mqtt.Message) {
	for u := range h.open {
		h.sayAt(u, ms)
	}
}

func (h *homieSide) sayAt(u *upstream, ms []mqtt.Message) {
	for _, m := range ms {
		if u == nil {
			h.k.g.publish(m)
		} else {
			u.bridge.Announce(bridge.Announcement{Topic: m.Topic, Payload: m.Payload, Retain: m.Retain, Once: !m.Retain})
		}
	}
}

// all publishes what holds now, the state last: at our broker, or at one upstream. It has
// the descriptions now.
func (h *homieSide) all(u *upstream) {
	h.speak.Lock()
	defer h.speak.Unlock()
	h.mu.Lock()
	ms := make([]mqtt.Message, 0, len(h.order))
	for _, topic := range h.order {
		ms = append(ms, h.values[topic])
	}
	h.mu.Unlock()
	h.sayAt(u, append(ms, h.states()...))
	h.open[u] = true
}

// silence ends what is said: another configuration has the word, and may remove these topics.
func (h *homieSide) silence() {
	h.speak.Lock()
	defer h.speak.Unlock()
	clear(h.open)
}

// disconnected is the last word here, where no will can be: the broker ends with us.
func (h *homieSide) disconnected() {
	h.k.g.publish(mqtt.Message{Topic: h.model.StateTopic(), Payload: []byte("disconnected"), QoS: 1, Retain: true})
}

// homieCommand is a command that came in Homie's terms, or the answer to a command.
type homieCommand struct {
	value, target string // topics of what is set; target is "" where there is none
	ours          string // topic of the command in our terms

	m    mqtt.Message // the command
	done *bool        // the answer
}

// commands takes what is set, until ctx ends. What is refused is answered by the value that
// holds, as Homie wants it.
func (h *homieSide) commands(ctx context.Context) {
	queue := make(chan homieCommand, maxCommands)
	var cancels []func()
	for i := range h.node.Devices {
		d := &h.node.Devices[i]
		for k := range d.Channels {
			c := &d.Channels[k]
			if !c.Writable {
				continue
			}
			about := homieCommand{value: h.model.ValueTopic(d, c), target: h.model.TargetTopic(d, c), ours: c.SetTopic}
			cancels = append(cancels,
				h.k.g.broker.Subscribe(about.value+"/set", func(m *mqtt.Message) {
					set := about
					set.m = *m
					h.queue(queue, set)
				}),
				h.k.g.broker.Subscribe(c.ResultTopic, func(m *mqtt.Message) {
					var r struct{ Result string }
					if json.Unmarshal(m.Payload, &r) == nil {
						answer := about
						answer.done = new(r.Result == "done")
						h.queue(queue, answer)
					}
				}))
		}
	}
	defer func() {
		for _, cancel := range cancels {
			cancel()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-queue:
			if c.done != nil {
				h.answered(c)
			} else {
				h.execute(c)
			}
		}
	}
}

func (h *homieSide) queue(to chan homieCommand, c homieCommand) {
	select {
	case to <- c:
	default:
		h.crowded.add()
	}
}

func (h *homieSide) execute(c homieCommand) {
	if c.m.Retain || len(c.m.Payload) == 0 {
		return // a command is never retained (4.0.0, "Property command topic")
	}
	h.mu.Lock()
	h.meant[c.value] = string(c.m.Payload)
	h.mu.Unlock()
	h.k.g.publish(mqtt.Message{Topic: c.ours, Payload: c.m.Payload, QoS: 1, Time: c.m.Time, Origin: c.m.Origin, Publisher: c.m.Publisher})
}

// answered publishes what a value was set to, if that was not said with the value: it may be
// the same value. After a refusal the value that holds is said again.
func (h *homieSide) answered(c homieCommand) {
	h.speak.Lock()
	defer h.speak.Unlock()
	h.mu.Lock()
	goal, asked := h.meant[c.value]
	delete(h.meant, c.value)
	value, known := h.values[c.value]
	var ms []mqtt.Message
	if !*c.done {
		goal = string(value.Payload)
	}
	if c.target != "" && known && (asked || !*c.done) {
		ms = h.aimLocked(c.target, goal)
	}
	if known && !*c.done {
		ms = append(ms, value)
	}
	h.mu.Unlock()
	h.say(ms...)
}

// connection is that of its own to an upstream: there the gateway's state is lost, by
// will, when it is gone without a word, which cannot be the will of the bridge as well.
func (h *homieSide) connection(c config.Bridge) (*upstream, error) {
	return h.k.aside(c, homieSuffix, func(o *bridge.Options) {
		o.Status = bridge.Status{Topic: h.model.StateTopic(), Online: "init", Offline: "lost", Stopped: "disconnected", Once: true}
		for i := range h.node.Devices {
			d := &h.node.Devices[i]
			for k := range d.Channels {
				if ch := &d.Channels[k]; ch.Writable {
					topic := h.model.ValueTopic(d, ch) + "/set"
					o.Rules = append(o.Rules, bridge.Rule{In: true, Local: topic, Remote: topic, QoS: 1, Expire: time.Minute})
				}
			}
		}
	})
}

// versionKey is where the version of the descriptions is kept: it grows whenever they change.
const versionKey = ledgerKey + "homie-version"

// version of the model's descriptions.
func (h *homieSide) version() int64 {
	sum := sha256.New()
	for _, d := range h.model.Documents(0) {
		sum.Write([]byte(d.Topic + "\x00" + string(d.Payload) + "\x00"))
	}
	var kept struct {
		Sum     string `json:"sum"`
		Version int64  `json:"version"`
	}
	j, now := h.k.g.journal, hex.EncodeToString(sum.Sum(nil))
	data, _ := j.Get(versionKey)
	if err := json.Unmarshal(data, &kept); err != nil || kept.Sum != now {
		kept.Sum, kept.Version = now, max(kept.Version+1, time.Now().Unix())
		if data, err = json.Marshal(kept); err == nil {
			j.Put(versionKey, data, journal.Event, nil, 0)
		}
	}
	return kept.Version
}
