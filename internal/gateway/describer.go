package gateway

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"sensorgate/bridge"
	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/discovery"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/homie"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// ledgerKey begins the keys of the ledgers in the journal; then come the convention and
// "local" or the bridge.
const (
	ledgerKey = "discovery/"
	localKey  = "local"
	atBridge  = "bridge/"
	idKey     = "discovery/id" // what identifies this node where the file does not say it
)

const (
	// bringAgain is the pause after something could not be published.
	bringAgain = 10 * time.Second

	// A controller that has started gets this long, and a random time, until it has
	// subscribed.
	birthWait, birthSpread = 2 * time.Second, 3 * time.Second

	// movePause is how long Home Assistant gets to take over entities under another topic.
	movePause = 5 * time.Second
)

// describer keeps one convention at one broker.
type describer struct {
	k        *conventions
	name     string    // of the convention
	upstream *upstream // nil: our own broker
	place    string    // of its ledger in the journal, behind the convention: localKey, or atBridge and the bridge
	wanted   []discovery.Document
	kept     []discovery.Document // in the ledger, and nothing of it: it stays and is forgotten
	rules    discovery.Convention
	target   discovery.Target
	again    func()                                                     // says what holds now, after the descriptions; nil: states
	foreign  func(topic string, payload []byte) (discovery.Parts, bool) // what is ours of what our broker retains; nil: not looked for
}

// describers are what there is to do for a configuration.
func (k *conventions) describers(c *config.Config) []*describer {
	n := describe.Of(c)
	list := []*describer{k.homeAssistant(c, &n, nil)}
	for _, u := range k.upstreams() {
		list = append(list, k.homeAssistant(c, &n, u))
	}
	return slices.DeleteFunc(list, func(d *describer) bool {
		return len(d.wanted) == 0 && len(d.target.Load()) == 0
	})
}

func (k *conventions) upstreams() []*upstream {
	k.g.mu.Lock()
	defer k.g.mu.Unlock()
	return slices.Clone(k.g.upstreams)
}

// placeOf is the place of a ledger for an upstream, or for our own broker: nil.
func placeOf(u *upstream) string {
	if u == nil {
		return localKey
	}
	return atBridge + u.cfg.Name
}

// nodeID identifies the node to Home Assistant. A host name is kept as it was at first: the
// machine may be renamed, and its entities are still the same.
func (k *conventions) nodeID(c *config.Config) string {
	switch {
	case c.HomeAssistant.ID != "":
		return c.HomeAssistant.ID
	case c.NodeGiven:
		return c.Node
	}
	if id, ok := k.g.journal.Get(idKey); ok {
		return string(id)
	}
	k.g.journal.Put(idKey, []byte(c.Node), journal.Event, nil, 0)
	return c.Node
}

func (k *conventions) homeAssistant(c *config.Config, n *describe.Node, u *upstream) *describer {
	ha := c.HomeAssistant
	prefix := discoveryPrefix(c) // also when it is off: what it left stands in the ledger
	d := &describer{k: k, name: "homeassistant", upstream: u, place: placeOf(u), rules: homeassistant.Convention{Prefix: prefix}}
	opt := homeassistant.Options{HomeAssistant: ha, Version: k.g.opt.Version}
	opt.ID = k.nodeID(c)
	switch {
	case !ha.Enabled:
	case u == nil:
		d.wanted = homeassistant.Documents(n, opt)
		id := homeassistant.ID(opt.ID)
		d.foreign = func(topic string, payload []byte) (discovery.Parts, bool) {
			return homeassistant.Parts(payload), strings.HasPrefix(topic, prefix+"/") && homeassistant.Ours(payload, id)
		}
	case slices.Contains(ha.Bridges, u.cfg.Name):
		opt.TopicPrefix = u.cfg.Prefix
		d.wanted = homeassistant.Documents(n, opt)
	}
	d.aim()
	switch _, described := k.g.journal.Get(d.ledger()); {
	case len(d.wanted) > 0:
		d.wanted = append(d.wanted, statesAt(c, u)...)
	case described:
		d.kept = statesAt(c, u)
	}
	return d
}

// statesAt are the retained topics of a node and its devices at our broker, or those under
// which an upstream has them. They come as they change; of a device that is gone they must
// go like its description, or a ghost of it stays. What a rule of the file sends there
// stays when [homeassistant] ends.
func statesAt(c *config.Config, u *upstream) (docs []discovery.Document) {
	topics := []string{c.Node + "/status", c.Node + "/gateway/state"}
	for i := range c.Devices {
		topics = append(topics, retainedTopics(c.Devices[i].Map)...)
	}
	add := func(topic string) {
		docs = append(docs, discovery.Document{Topic: topic, Elsewhere: true})
	}
	if u != nil && u.cfg.Status.Topic != "" {
		add(u.cfg.Prefix + u.cfg.Status.Topic)
	}
	for _, topic := range topics {
		if u == nil {
			add(topic)
			continue
		}
		for _, h := range c.Route(topic) {
			if h.Bridge == u.cfg.Name && h.Dir == "out" {
				add(h.Remote)
			}
		}
	}
	return docs
}

// homieDescribers are those of Homie, with what publishes its values. An upstream that is
// not named any more is among the leftovers.
func (k *conventions) homieDescribers(c *config.Config) (side *homieSide, list []*describer) {
	var wanted []discovery.Document
	if c.Homie.Enabled {
		side = newHomieSide(k, c)
		wanted = side.model.Documents(side.version())
	}
	add := func(u *upstream, place string, wanted []discovery.Document) {
		d := &describer{k: k, name: "homie", upstream: u, place: place, rules: homie.Convention{}, wanted: wanted}
		d.aim()
		if wanted != nil {
			d.again = func() { side.all(u) }
		}
		if wanted != nil || len(d.target.Load()) > 0 {
			list = append(list, d)
		}
	}
	add(nil, localKey, wanted)
	for _, u := range k.upstreams() {
		if side == nil || !slices.Contains(c.Homie.Bridges, u.cfg.Name) {
			continue
		}
		own, err := side.connection(u.cfg)
		if err != nil {
			k.log.Error("no connection for Homie", "upstream", u.cfg.Name, "err", err)
			continue
		}
		side.connections = append(side.connections, own)
		add(own, placeOf(u), wanted)
	}
	return side, list
}

// ledger is the key of the list of what was published.
func (d *describer) ledger() string { return ledgerKey + d.name + "/" + d.place }

// aim makes the target.
func (d *describer) aim() {
	key := d.ledger()
	publish := d.publishHere
	if d.upstream != nil {
		publish = d.publishThere
	}
	j := d.k.g.journal
	d.target = discovery.Target{
		Publish: publish, Pause: movePause,
		Load: func() discovery.Ledger {
			data, _ := j.Get(key)
			l, err := discovery.ParseLedger(data)
			if err != nil {
				d.k.log.Warn("the list of what was published cannot be read; what is not wanted any more stays there", "entry", key, "err", err)
			}
			d.findForeign(l)
			for i := range d.kept {
				delete(l, d.kept[i].Topic)
			}
			return l
		},
		Save: func(ctx context.Context, l discovery.Ledger) error {
			if len(l) == 0 {
				j.Delete(key, journal.Event)
				return nil
			}
			done := make(journal.Done, 1)
			j.Put(key, l.Bytes(), journal.Event, done, 0)
			select {
			case err := <-done:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

// findForeign adds what our broker retains of this node and the ledger does not know: it
// was left by a store that is lost.
func (d *describer) findForeign(l discovery.Ledger) {
	if d.foreign == nil {
		return
	}
	d.k.g.broker.Subscribe(d.k.g.config().HomeAssistant.Prefix+"/#", func(m *mqtt.Message) {
		if _, known := l[m.Topic]; !known {
			if parts, ours := d.foreign(m.Topic, m.Payload); ours {
				l[m.Topic] = parts
			}
		}
	})()
}

func (d *describer) publishHere(ctx context.Context, ms []discovery.Message) error {
	for _, m := range ms {
		if err := d.k.g.broker.Publish(ctx, mqtt.Message{Topic: m.Topic, Payload: m.Payload, QoS: 1, Retain: true}); err != nil {
			return err
		}
	}
	return nil
}

// publishThere waits until the upstream has acknowledged all. Of one topic only the newest
// is on its way at one time, so a second message of it waits for the first.
func (d *describer) publishThere(ctx context.Context, ms []discovery.Message) error {
	for len(ms) > 0 {
		n, seen := 0, map[string]bool{}
		for n < len(ms) && !seen[ms[n].Topic] {
			seen[ms[n].Topic] = true
			n++
		}
		left := new(atomic.Int64)
		left.Store(int64(n))
		all := make(chan struct{})
		batch := make([]bridge.Announcement, 0, n)
		for _, m := range ms[:n] {
			batch = append(batch, bridge.Announcement{Topic: m.Topic, Payload: m.Payload, Retain: true, Done: func() {
				if left.Add(-1) == 0 {
					close(all)
				}
			}})
		}
		d.upstream.bridge.Announce(batch...)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-all:
		}
		ms = ms[n:]
	}
	return nil
}

// run brings the broker to what is wanted: at once, or when the upstream is there; again
// with each new connection and each controller that starts.
func (d *describer) run(ctx context.Context) error {
	name := ""
	if d.upstream != nil {
		name = d.upstream.cfg.Name
	}
	birth := d.k.birth(name)
	for connected := (time.Time{}); d.awaitUpstream(ctx, &connected); {
		if !d.bring(ctx) {
			return nil
		}
		if d.again != nil || d.upstream != nil {
			d.holds()
		}
		for again := true; again; {
			change := d.k.nextChange()
			if d.upstream != nil && !d.upstream.standsSince(connected) {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-change:
				again = d.upstream == nil || d.upstream.standsSince(connected)
			case <-birth:
				if !pauseFor(ctx, birthWait+rand.N(birthSpread)) || !d.bring(ctx) {
					return nil
				}
				d.holds()
			}
		}
	}
	return nil
}

// standsSince reports whether the connection of that moment stands still.
func (u *upstream) standsSince(at time.Time) bool {
	s := u.bridge.Status()
	return s.Connected && s.Since.Equal(at)
}

// awaitUpstream waits until the upstream is connected and notes since when; our own broker
// always is.
func (d *describer) awaitUpstream(ctx context.Context, since *time.Time) bool {
	for ctx.Err() == nil {
		change := d.k.nextChange()
		if d.upstream == nil {
			return true
		}
		if s := d.upstream.bridge.Status(); s.Connected {
			*since = s.Since
			return true
		}
		select {
		case <-ctx.Done():
		case <-change:
		}
	}
	return false
}

// bring tries until it is done; false is that ctx has ended.
func (d *describer) bring(ctx context.Context) bool {
	for {
		err := d.target.Bring(ctx, d.wanted, d.rules)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		d.k.log.Warn("descriptions are not published; they are tried again", "convention", d.name, "err", err)
		if !pauseFor(ctx, bringAgain) {
			return false
		}
	}
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// holds publishes the values that hold now.
func (d *describer) holds() {
	if d.again != nil {
		d.again()
	} else {
		d.states()
	}
}

// states publishes the newest values again. What our own broker retains it says by itself.
func (d *describer) states() {
	for _, s := range d.k.current() {
		m := s.m
		switch {
		case d.upstream != nil:
			d.upstream.bridge.Offer(&m, false, time.Time{})
		case !m.Retain:
			d.k.g.publish(m)
		}
	}
}

// objections is what the conventions cannot describe.
func objections(c *config.Config) []config.Objection {
	n := describe.Of(c)
	var found []config.Objection
	if c.HomeAssistant.Enabled {
		found = append(found, homeassistant.Check(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant})...)
	}
	if c.Homie.Enabled {
		found = append(found, homie.Check(&n, c.Homie)...)
	}
	return found
}
