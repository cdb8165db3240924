package gateway

import (
	"context"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// conventions is the part that keeps the node described for Home Assistant and Homie: at
// our broker and at each upstream that the file names, and everywhere where an earlier
// configuration has left something. It is an observer, too: what is published is
// remembered, because a controller that starts later has to be told.
type conventions struct {
	g   *Gateway
	log *slog.Logger

	change chan struct{} // has a value when there is another configuration

	mu     sync.Mutex
	linked chan struct{}        // closed and replaced when an upstream came or went
	births map[string]chan bool // by broker: has a value when a controller there has started
	said   map[string]said      // by topic, newest of what devices publish
	about  map[string]aboutTopic
	homie  *homieSide // nil: off

	cleaning []*cleanUp // what is being removed at upstreams
}

// said is a message that was published, and when.
type said struct {
	m  mqtt.Message
	at time.Time
}

// aboutTopic is what is known of a topic of readings.
type aboutTopic struct {
	event bool          // its messages are over at once
	good  time.Duration // so long a value is that of now; 0: until the next
}

func newConventions(g *Gateway, c *config.Config) *conventions {
	k := &conventions{
		g: g, log: g.log.With("part", "discovery"), change: make(chan struct{}, 1),
		linked: make(chan struct{}), births: map[string]chan bool{}, said: map[string]said{},
	}
	k.configure(c)
	return k
}

// configure takes another configuration. It must be called after the upstreams and devices
// have changed; what is to be done is done by run.
func (k *conventions) configure(c *config.Config) {
	about := map[string]aboutTopic{}
	if c.HomeAssistant.Enabled || c.Homie.Enabled {
		about = topicsOf(c)
	}
	k.mu.Lock()
	k.about = about
	for topic := range k.said {
		if _, still := about[topic]; !still {
			delete(k.said, topic)
		}
	}
	k.mu.Unlock()
	wake(k.change)
}

// sent is the observer's: a message was published. It is remembered, and offered to upstreams that take the
// newest. It does not block.
func (k *conventions) sent(_ string, m *mqtt.Message) {
	k.mu.Lock()
	a, known := k.about[m.Topic]
	if known && !a.event {
		k.said[m.Topic] = said{*m, time.Now()}
	}
	k.mu.Unlock()
	if known {
		k.offer(m, a)
	}
}

func (k *conventions) offer(m *mqtt.Message, a aboutTopic) {
	k.g.mu.Lock()
	upstreams := k.g.upstreams
	k.g.mu.Unlock()
	var until time.Time
	if a.good > 0 {
		until = time.Now().Add(a.good)
	}
	for _, u := range upstreams {
		if u.cfg.Made > 0 {
			u.bridge.Offer(m, a.event, until)
		}
	}
}

func (k *conventions) published(device string, rs []mapping.Sample) {
	if h := k.homieNow(); h != nil {
		h.published(device, rs)
	}
}

func (k *conventions) condition(device string, health drivers.Health) {
	if h := k.homieNow(); h != nil {
		h.condition(device, health)
	}
}

func (k *conventions) homieNow() *homieSide {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.homie
}

// upstreamChanged is called when an upstream came or went. It does not block.
func (k *conventions) upstreamChanged() {
	k.mu.Lock()
	close(k.linked)
	k.linked = make(chan struct{})
	k.mu.Unlock()
}

func (k *conventions) nextChange() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.linked
}

// birth is the channel that has a value when a controller at a broker has started.
func (k *conventions) birth(broker string) chan bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.births[broker] == nil {
		k.births[broker] = make(chan bool, 1)
	}
	return k.births[broker]
}

// listen waits for Home Assistant's birth, here and at upstreams.
func (k *conventions) listen(ha *config.HomeAssistant) (cancel func()) {
	if !ha.Enabled {
		return func() {}
	}
	return k.g.broker.Subscribe(ha.Birth, func(m *mqtt.Message) {
		if strings.TrimSpace(string(m.Payload)) != online {
			return
		}
		from, isUpstream := strings.CutPrefix(m.Origin, "bridge/")
		if !isUpstream {
			from = ""
		}
		select {
		case k.birth(from) <- true:
		default: // it is about to be answered
		}
	})
}

// run describes until ctx ends. Each broker has a goroutine of its own, so that an upstream
// that is away holds up nobody; another configuration starts them anew, from their ledgers.
func (k *conventions) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-k.g.broker.Ready():
	}
	for ctx.Err() == nil {
		if err := k.round(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *conventions) round(ctx context.Context) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	c := k.g.config()
	defer k.listen(&c.HomeAssistant)()
	k.noteReach(c)
	k.inherit(c)
	describers := k.describers(c)
	failed := make(chan error, len(describers)+8)
	var wg sync.WaitGroup
	k.cleanUps(inner, c, &wg)
	side, more := k.homieDescribers(c)
	if side != nil {
		wg.Go(func() { side.commands(inner) })
		for _, u := range side.connections {
			wg.Go(func() { k.report(u.bridge.Run(inner)) })
		}
	}
	k.mu.Lock()
	k.homie = side
	k.mu.Unlock()
	for _, d := range append(describers, more...) {
		wg.Go(func() {
			if err := drivers.Guard(func() error { return d.run(inner) }); err != nil {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case <-k.change:
	case err = <-failed:
	}
	stop()
	wg.Wait()
	if side != nil {
		side.silence()
	}
	if side != nil && ctx.Err() != nil {
		side.disconnected()
	}
	return err
}

// report logs how a connection has ended.
func (k *conventions) report(err error) {
	if err != nil {
		k.log.Warn("a connection for descriptions has ended", "err", err)
	}
}

// topicsOf lists the topics of readings, states and results.
func topicsOf(c *config.Config) map[string]aboutTopic {
	about := map[string]aboutTopic{c.Node + "/gateway/state": {}}
	for i := range c.Devices {
		m := &c.Devices[i].Map
		about[m.StatusTopic()] = aboutTopic{}
		every := c.Devices[i].Config.Every
		if m.PerDevice {
			about[m.Topic("")] = aboutTopic{good: goodFor(every)}
		}
		for _, ch := range m.Channels {
			if !m.PerDevice {
				a := aboutTopic{event: ch.Kind == drivers.Event}
				if ch.Kind == drivers.Gauge || ch.Kind == drivers.Total {
					a.good = goodFor(max(every, ch.Filters.Every, ch.Filters.AtLeast))
				}
				about[m.Topic(ch.Name)] = a
			}
			if ch.Writable {
				about[m.ResultTopic(ch.Name)] = aboutTopic{event: true}
			}
		}
	}
	return about
}

// goodFor is how long a value is that of now: said again later, it would look fresh.
func goodFor(every time.Duration) time.Duration {
	if every <= 0 {
		return 0
	}
	return 3 * every
}

// current are the newest messages that still hold, in the order of their topics.
func (k *conventions) current() []said {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []said
	for topic, s := range k.said {
		if a := k.about[topic]; a.good == 0 || time.Since(s.at) < a.good {
			list = append(list, s)
		}
	}
	sort.Slice(list, func(i, k int) bool { return list[i].m.Topic < list[k].m.Topic })
	return list
}
