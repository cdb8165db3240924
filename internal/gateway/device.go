package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/journal"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/status"
)

// flushTime is how long a stopping device may take to hand over its last readings.
const flushTime = 2 * time.Second

// publisher is the broker as devices see it.
type publisher interface {
	Publish(ctx context.Context, m mqtt.Message) error
}

// device is one device of the configuration at work: the runner that reads it, the
// outbox, the mapper that makes messages, and the commands that wait for it.
type device struct {
	cfg      config.Device
	runner   *drivers.Runner
	out      *outbox
	commands chan mqtt.Message
	broker   publisher
	may      mayAnswer
	counted  *counted
	watching observers
	latest   *drivers.Latest // for devices that compute with this one's; nil in tests
	log      *slog.Logger

	mu     sync.Mutex
	newest map[string]seen // by channel
}

// seen is the newest reading of a channel, as it came and as it is published.
type seen struct{ raw, published drivers.Reading }

func newDevice(cfg config.Device, b publisher, may mayAnswer, c *counted, watching observers, j *journal.Journal, log *slog.Logger) *device {
	log = log.With("device", cfg.Name)
	d := &device{
		cfg:      cfg,
		out:      newOutbox(),
		commands: make(chan mqtt.Message, maxCommands),
		broker:   b,
		may:      may,
		counted:  c,
		watching: watching,
		log:      log,
		newest:   map[string]seen{},
	}
	conf := cfg.Config
	conf.Store = deviceStore{j, "device/" + cfg.Name + "/"}
	d.runner = &drivers.Runner{Config: conf, Driver: cfg.Driver, Expect: cfg.Expect, Sink: d.out, Log: log}
	return d
}

// follow gives the device the readings of the others, and them its own.
func (g *Gateway) follow(d *device) *device {
	d.latest, d.runner.Config.Latest = &g.latest, &g.latest
	return d
}

// run works until ctx ends: first the hardware stops, then what it still reported
// is published.
func (d *device) run(ctx context.Context) error {
	var wg sync.WaitGroup
	outCtx, stopOut := context.WithCancel(context.WithoutCancel(ctx))
	wg.Go(func() { d.publishAll(outCtx) })
	wg.Go(func() { d.executeAll(ctx) })
	d.runner.Run(ctx)
	stopOut()
	wg.Wait()
	return nil
}

// publishAll turns readings into messages until ctx ends and the outbox is empty.
// If the broker is slow, this waits and the outbox drops the oldest.
func (d *device) publishAll(ctx context.Context) {
	m := d.newMapper()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	// Publishing outlives ctx by flushTime: the last words are worth waiting for.
	pubCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(flushTime, cancel) })()
	for {
		if at, ok := m.Next(); ok {
			timer.Reset(time.Until(at))
		}
		var ok bool
		select {
		case <-ctx.Done():
			if d.flush(pubCtx, m) { // and what a throttle still held back
				d.publish(pubCtx, func() []mqtt.Message { return m.Flush(timeSynced()) })
			}
			return
		case <-d.out.wake:
			ok = d.flush(pubCtx, m)
		case now := <-timer.C:
			ok = d.publish(pubCtx, func() []mqtt.Message { return m.Tick(now, timeSynced()) })
		}
		if !ok {
			m = d.newMapper() // what the old one remembers is in doubt
		}
	}
}

func (d *device) newMapper() *mapping.Mapper {
	m := mapping.New(d.cfg.Map)
	m.Seen = d.remember
	m.Published = func(rs []mapping.Sample) { d.watching.published(d.cfg.Name, rs) }
	return m
}

// flush publishes what is in the outbox. It reports whether the mapper is still good.
func (d *device) flush(ctx context.Context, m *mapping.Mapper) bool {
	batches, health := d.out.take()
	synced := timeSynced()
	ok := true
	for _, rs := range batches {
		ok = ok && d.publish(ctx, func() []mqtt.Message { return m.Messages(rs, synced) })
	}
	if health != nil {
		d.send(ctx, []mqtt.Message{mapping.Status(d.cfg.Map, *health)})
		d.watching.condition(d.cfg.Name, *health)
	}
	return ok
}

// publish publishes what f makes of readings. A panic in f costs this device a failure,
// and nobody else anything; the broker is outside of that.
func (d *device) publish(ctx context.Context, f func() []mqtt.Message) bool {
	var ms []mqtt.Message
	if err := drivers.Guard(func() error { ms = f(); return nil }); err != nil {
		d.runner.Break(fmt.Errorf("filters and payloads: %w", err))
		return false
	}
	d.send(ctx, ms)
	return true
}

func (d *device) send(ctx context.Context, ms []mqtt.Message) {
	for i := range ms {
		m := &ms[i]
		if err := d.broker.Publish(ctx, *m); err != nil {
			if ctx.Err() == nil {
				d.log.Warn("reading not published", "topic", m.Topic, "err", err)
			}
			continue
		}
		d.watching.sent(d.cfg.Name, m)
	}
}

func (d *device) remember(raw, published drivers.Reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newest[published.Channel] = seen{raw, published}
	d.latest.Put(d.cfg.Name, published)
}

// status reports how the device does, its channels in the order of their names.
func (d *device) status() status.Device {
	h := d.runner.Health()
	s := status.Device{Name: d.cfg.Name, Driver: d.cfg.Driver.Name, State: h.State, Error: h.Error, Since: h.Since}
	s.Readings, s.Dropped = d.out.counts()
	s.Counters = d.runner.Counters()
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Channels = channelsOf(d.cfg.Map, d.runner.Channels(), d.newest)
	return s
}

// channelsOf joins what is configured, how the channels do and what came last.
func channelsOf(m mapping.Device, health []drivers.ChannelHealth, newest map[string]seen) []status.Channel {
	byName := map[string]status.Channel{}
	for _, c := range m.Channels {
		byName[c.Name] = status.Channel{Name: c.Name, State: drivers.Starting}
	}
	for _, h := range health {
		byName[h.Channel] = status.Channel{Name: h.Channel, State: h.State, Error: h.Error, Since: h.Since, Repeats: h.Repeats}
	}
	for name, n := range newest {
		c := byName[name]
		c.Name = name
		c.Value, c.Unit, c.Time = status.Value{Value: n.published.Value}, n.published.Unit, n.published.Time
		c.Raw, c.RawUnit = status.Value{Value: n.raw.Value}, n.raw.Unit
		byName[name] = c
	}
	all := slices.Collect(maps.Values(byName))
	sort.Slice(all, func(i, k int) bool { return all[i].Name < all[k].Name })
	return all
}

// deviceStore keeps a device's state in the journal, under its name.
type deviceStore struct {
	j      *journal.Journal
	prefix string
}

func (s deviceStore) Load(key string) ([]byte, bool) { return s.j.Get(s.prefix + key) }

func (s deviceStore) Save(key string, value []byte) {
	s.j.Put(s.prefix+key, slices.Clone(value), journal.Telemetry, nil, 0)
}
