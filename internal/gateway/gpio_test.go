package gateway

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensorgate/drivers/gpio"
	"sensorgate/drivers/gpio/gpiotest"
)

// wired is a gateway on a board whose wires the test holds, and a client of its broker.
func wired(t testing.TB, toml string) (*gpiotest.Board, *started, paho.Client) {
	t.Helper()
	b := gpiotest.New("")
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("L%d", i))
	}
	b.AddChip("gpiochip0", "test", names...)
	s := startGatewayOn(t, newHardware(quiet, gpio.NewChipsOn(b, quiet)), toml)
	o := paho.NewClientOptions().AddBroker("tcp://" + s.broker.Addrs()[0].String()).SetClientID("wired").SetOrderMatters(true)
	c := paho.NewClient(o)
	if tok := c.Connect(); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatalf("connect: %v", tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(100) })
	return b, s, c
}

func subscribe(t testing.TB, c paho.Client, topic string, f func(m paho.Message)) {
	t.Helper()
	if tok := c.Subscribe(topic, 1, func(_ paho.Client, m paho.Message) { f(m) }); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatalf("subscribe: %v", tok.Error())
	}
}

const contact = "[device.door]\ndriver = \"input\"\ngpio = \"L0\"\ndebounce = \"0s\"\nclass = \"door\"\n"

// 5,000 edges at 1 kHz: each arrives as a message, or is among those that the gateway
// says it lost.
func TestEdgesAtOneKilohertz(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	const edges = 5000
	b, s, c := wired(t, contact)
	var got atomic.Int64
	arrived := make(chan struct{}, 1)
	subscribe(t, c, "barn/door/state", func(paho.Message) {
		got.Add(1)
		select {
		case arrived <- struct{}{}:
		default:
		}
	})
	<-arrived // the state at the start
	start := time.Now()
	for i := range edges {
		b.Drive("L0", i%2 == 0)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Millisecond)))
	}
	took := time.Since(start)
	dropped := func() int64 { return int64(s.Snapshot().Devices[0].Dropped) }
	for deadline := time.After(20 * time.Second); got.Load()-1 < edges-dropped(); {
		select {
		case <-arrived:
		case <-time.After(100 * time.Millisecond): // what is still on its way may be dropped
		case <-deadline:
			t.Fatalf("%d of %d edges arrived, the gateway says it dropped %d", got.Load()-1, edges, dropped())
		}
	}
	t.Logf("%d edges in %v: %d messages, %d counted as dropped", edges, took.Round(time.Millisecond), got.Load()-1, dropped())
}

// Ten watched lines on which nothing happens.
func TestIdleLinesCostNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds")
	}
	var toml strings.Builder
	for i := range 10 {
		fmt.Fprintf(&toml, "[device.door%d]\ndriver = \"input\"\ngpio = \"L%d\"\n", i, i)
	}
	_, _, c := wired(t, toml.String())
	seen := make(chan struct{}, 100)
	subscribe(t, c, "barn/+/state", func(paho.Message) { seen <- struct{}{} })
	for range 10 {
		<-seen
	}
	const span = 3 * time.Second
	before := cpuTime(t)
	time.Sleep(span) // nothing to wait for: that nothing happens is the point
	cost := cpuTime(t) - before
	t.Logf("%v of CPU in %v", cost, span)
	if cost > span/50 {
		t.Errorf("idle lines cost %v of CPU in %v", cost, span)
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Orders of a relay over MQTT: done, or refused with a reason; a retained one is an
// order for whoever comes later, and refused whatever it says.
func TestRelayAnswersItsCommands(t *testing.T) {
	b, _, c := wired(t, "[device.pump]\ndriver = \"output\"\ngpio = \"L3\"\nmin_on = \"1h\"\n")
	results := make(chan string, 10)
	subscribe(t, c, "barn/pump/state/set/result", func(m paho.Message) { results <- string(m.Payload()) })
	state := make(chan string, 10)
	subscribe(t, c, "barn/pump/state", func(m paho.Message) { state <- string(m.Payload()) })
	for _, command := range []struct {
		payload  string
		retained bool
		want     []string
	}{
		{`{"value":"on","id":"7"}`, false, []string{`"done"`, `"7"`}},
		{"off", false, []string{`"refused"`, "min_on"}},
		{"toggle", false, []string{`"refused"`, "end state"}},
		{"on", true, []string{`"refused"`, "retained"}},
	} {
		c.Publish("barn/pump/state/set", 1, command.retained, command.payload)
		if got, err := next(results); err != nil || !containsAll(got, command.want) {
			t.Errorf("%s: got %s %v, want %v", command.payload, got, err, command.want)
		}
	}
	if !b.Level("L3") {
		t.Error("the line is low")
	}
	for got := ""; !strings.Contains(got, `"on"`); {
		var err error
		if got, err = next(state); err != nil {
			t.Fatal("the state was not published as on")
		}
	}
}

func next(from chan string) (string, error) {
	select {
	case s := <-from:
		return s, nil
	case <-time.After(10 * time.Second):
		return "", errors.New("nothing came")
	}
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// From an edge of the (made-up) kernel to the message at a client over TCP.
func BenchmarkEdgeToMessage(b *testing.B) {
	board, _, c := wired(b, contact)
	arrived := make(chan struct{}, 1)
	subscribe(b, c, "barn/door/state", func(paho.Message) { arrived <- struct{}{} })
	<-arrived
	level := false
	for b.Loop() {
		level = !level
		board.Drive("L0", level)
		<-arrived
	}
}
