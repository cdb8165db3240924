package gateway

import (
	"context"
	"log/slog"
	"slices"
	"strings"
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
	log      *slog.Logger

	mu     sync.Mutex
	newest map[string]drivers.Reading // by channel
}

func newDevice(cfg config.Device, b publisher, may mayAnswer, j *journal.Journal, log *slog.Logger) *device {
	log = log.With("device", cfg.Name)
	d := &device{
		cfg:      cfg,
		out:      newOutbox(),
		commands: make(chan mqtt.Message, maxCommands),
		broker:   b,
		may:      may,
		log:      log,
		newest:   map[string]drivers.Reading{},
	}
	conf := cfg.Config
	conf.Store = deviceStore{j, "device/" + cfg.Name + "/"}
	d.runner = &drivers.Runner{Config: conf, Driver: cfg.Driver, Sink: d.out, Log: log}
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
	mapper := mapping.New(d.cfg.Map)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	// Publishing outlives ctx by flushTime: the last words are worth waiting for.
	pubCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(flushTime, cancel) })()
	for {
		if at, ok := mapper.Next(); ok {
			timer.Reset(time.Until(at))
		}
		select {
		case <-ctx.Done():
			d.flush(pubCtx, mapper)
			d.send(pubCtx, mapper.Flush(timeSynced())) // what a throttle still held back
			return
		case <-d.out.wake:
			d.flush(pubCtx, mapper)
		case now := <-timer.C:
			d.send(pubCtx, mapper.Tick(now, timeSynced()))
		}
	}
}

func (d *device) flush(ctx context.Context, mapper *mapping.Mapper) {
	batches, health := d.out.take()
	synced := timeSynced()
	for _, rs := range batches {
		d.remember(rs)
		d.send(ctx, mapper.Messages(rs, synced))
	}
	if health != nil {
		d.send(ctx, []mqtt.Message{mapping.Status(d.cfg.Map, *health)})
	}
}

func (d *device) send(ctx context.Context, ms []mqtt.Message) {
	for _, m := range ms {
		if err := d.broker.Publish(ctx, m); err != nil && ctx.Err() == nil {
			d.log.Warn("reading not published", "topic", m.Topic, "err", err)
		}
	}
}

func (d *device) remember(rs []drivers.Reading) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range rs {
		d.newest[r.Channel] = r
	}
}

// status reports how the device does, its channels in the order of their names.
func (d *device) status() status.Device {
	h := d.runner.Health()
	s := status.Device{Name: d.cfg.Name, Driver: d.cfg.Driver.Name, State: h.State, Error: h.Error, Since: h.Since, Channels: []status.Channel{}}
	s.Readings, s.Dropped = d.out.counts()
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, r := range d.newest {
		s.Channels = append(s.Channels, status.Channel{Name: name, Value: r.Value.String(), Unit: r.Unit, Time: r.Time})
	}
	slices.SortFunc(s.Channels, func(a, b status.Channel) int { return strings.Compare(a.Name, b.Name) })
	return s
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
