package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// topics is a broker that remembers how many messages each topic got, and the last.
type topics struct {
	mu    sync.Mutex
	count map[string]int
	last  map[string]string
}

func (p *topics) Publish(_ context.Context, m mqtt.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[m.Topic]++
	p.last[m.Topic] = string(m.Payload)
	return nil
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// closing is a device that panics when it is closed.
type closing struct{ speaker }

func (closing) Close() error { panic("close") }

// fakeDevice makes a device of the gateway around a driver of the test.
func fakeDevice(name string, b publisher, log *slog.Logger, open func() (any, error)) *device {
	cfg := config.Device{
		Name:   name,
		Driver: drivers.Driver{Name: "fake", Open: func(context.Context, drivers.DeviceConfig) (any, error) { return open() }},
		Config: drivers.DeviceConfig{Device: name, Every: time.Second},
		Map: mapping.Device{Name: name, Node: "n", TopicTemplate: "{node}/{device}/{channel}",
			Channels: []mapping.Channel{{Name: "v", Writable: true}}},
	}
	return newDevice(cfg, b, func(*mqtt.Message, string) bool { return true }, nil, nil, nil, log)
}

// every reports a good reading a second, and calls then.
func every(then func()) speaker {
	return func(ctx context.Context, report drivers.Report) error {
		for drivers.Sleep(ctx, time.Second) {
			report(drivers.Reading{Channel: "v", Value: drivers.Number(1)}, nil)
			then()
		}
		return ctx.Err()
	}
}

// Devices that panic at every point for hours: their neighbour keeps its interval, each
// stack is in the log once, each is opened again with back-off, and the log stays small.
func TestPanickingDevicesNeverTakeTheGatewayDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, text := &topics{count: map[string]int{}, last: map[string]string{}}, &lines{}
		log := slog.New(slog.NewTextHandler(text, nil))
		steady := func() {}
		devices := map[string]*device{
			"good":  fakeDevice("good", b, log, func() (any, error) { return every(steady), nil }),
			"open":  fakeDevice("open", b, log, func() (any, error) { panic("open") }),
			"watch": fakeDevice("watch", b, log, func() (any, error) { return every(func() { panic("watch") }), nil }),
			"close": fakeDevice("close", b, log, func() (any, error) {
				return closing{func(context.Context, drivers.Report) error { return drivers.ErrAbsent }}, nil
			}),
			"command": fakeDevice("command", b, log, func() (any, error) { return every(steady), nil }),
			"mapper":  fakeDevice("mapper", b, log, func() (any, error) { return every(steady), nil }),
		}
		devices["mapper"].newest = nil // remembering a value panics
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, d := range devices {
			running.Go(func() { d.run(ctx) })
		}
		for range 6 {
			time.Sleep(time.Hour)
			devices["command"].take(&mqtt.Message{Topic: "n/command/v/set", Payload: []byte("1")})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := b.count["n/good/v"]; n < 6*3600 {
			t.Errorf("the neighbour published %d readings in six hours, want one a second", n)
		}
		if n := b.count["n/mapper/v"]; n != 0 {
			t.Errorf("%d readings of the device whose mapper panics", n)
		}
		for _, name := range []string{"open", "watch", "mapper"} {
			if got := b.last["n/"+name+"/status"]; !strings.Contains(got, `"state":"failing"`) || !strings.Contains(got, "panic") {
				t.Errorf("%s is %s, want failing with the panic as its reason", name, got)
			}
		}
		if got := b.last["n/command/v/set/result"]; !strings.Contains(got, `"failed"`) || !strings.Contains(got, "panic") {
			t.Errorf("the command was answered with %s", got)
		}
		if got := b.last["n/command/status"]; !strings.Contains(got, `"state":"ok"`) {
			t.Errorf("a minute after its last command the device is %s, want ok", got)
		}
		cancel()
		running.Wait()
		if n := strings.Count(text.text.String(), "stack="); n != 5 {
			t.Errorf("%d stacks in the log, want one for each of the five", n)
		}
		if n := text.text.Len(); n > 256<<10 {
			t.Errorf("%d bytes in the log of six hours", n)
		}
	})
}
