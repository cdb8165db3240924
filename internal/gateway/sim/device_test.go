package sim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
)

// meters are the gateway's own devices: they report when the script wants it. What they measure goes upstream through the
// spool, d1 at QoS 1 and d2 at QoS 2. The values count up over all runs of the gateway, as the hardware does.
type meters struct {
	w *world

	mu  sync.Mutex
	n   map[string]int
	ask map[string]chan int // who watches takes the number of readings
}

func newMeters(w *world) *meters {
	ms := &meters{w: w, n: map[string]int{}, ask: map[string]chan int{}}
	for _, name := range meterNames {
		ms.ask[name] = make(chan int)
	}
	return ms
}

var meterNames = []string{"d1", "d2"}

// config returns the devices of the gateway's configuration.
func (ms *meters) config() (ds []config.Device) {
	for i, name := range meterNames {
		d := config.Device{Name: name, Config: drivers.DeviceConfig{Device: name, Every: time.Second}}
		d.Driver = drivers.Driver{Name: "meter", Open: func(context.Context, drivers.DeviceConfig) (any, error) { return meter{ms, name}, nil }}
		d.Map = mapping.Device{Name: name, Node: "n", TopicTemplate: "{node}/{device}/{channel}",
			Channels: []mapping.Channel{{Name: "v", Payload: mapping.Plain, QoS: byte(1 + i)}}}
		d.Channels, d.Described.Channels = []drivers.Channel{{Name: "v", Kind: drivers.Total}}, []config.DescribedChannel{{}}
		ds = append(ds, d)
	}
	return ds
}

// read has both measure n times. A gateway that does not run measures nothing.
func (ms *meters) read(n int) {
	for _, name := range meterNames {
		select {
		case ms.ask[name] <- n:
		default:
		}
	}
}

// meter is one of the devices.
type meter struct {
	of   *meters
	name string
}

func (m meter) Watch(ctx context.Context, report drivers.Report) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-m.of.ask[m.name]:
			for range n {
				if ctx.Err() != nil || m.of.w.disk.isOff() {
					break // nobody measures any more
				}
				report(m.next(), nil)
			}
		}
	}
}

// next measures, and notes that the reading is under way to the upstream.
func (m meter) next() drivers.Reading {
	m.of.mu.Lock()
	m.of.n[m.name]++
	n := m.of.n[m.name]
	m.of.mu.Unlock()
	msg := &message{key: fmt.Sprintf("%s-%d", m.name, n), publisher: m.name, topic: "n/" + m.name + "/v", n: n, qos: meterQoS(m.name), size: 4}
	if m.of.w.led.measured(msg); m.of.w.disk.isOff() {
		m.of.w.led.refusedMessage(msg)
	}
	return drivers.Reading{Channel: "v", Value: drivers.Number(float64(n)), Time: m.of.w.wall()}
}

func meterQoS(name string) byte { return name[1] - '0' }

// meterPayload makes of a reading's payload what the ledger knows it by.
func meterPayload(topic, payload string) string {
	if name, ok := strings.CutPrefix(topic, "n/"); ok {
		if name, ok = strings.CutSuffix(name, "/v"); ok {
			return name + "-" + payload
		}
	}
	return payload
}

// measured notes a reading. It is promised once it is older than the window of the journal's commit: a power cut
// makes those that are younger uncertain.
func (l *ledger) measured(m *message) {
	l.publishing(m)
	l.mu.Lock()
	defer l.mu.Unlock()
	m.acked = l.now()
	l.fresh = append(l.fresh, underWay{m, time.Now()})
}

// underWay is something that the gateway made by itself and that is on disk a moment later.
type underWay struct {
	m  *message
	at time.Time
}

// unsureSince releases the gateway from the promise of what it made by itself within the window before the power went.
func (l *ledger) unsureSince(window time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, f := range l.fresh {
		if now.Sub(f.at) < window {
			f.m.refused = true
		}
	}
	l.fresh, l.off = nil, l.now()
	for _, w := range l.wills {
		w.powerOff(now, window)
	}
}
