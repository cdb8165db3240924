package gateway

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/discovery"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/homeassistant/hatest"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// waitLimit is how long a condition may take on a slow machine.
const waitLimit = 60 * time.Second

// watcher is a controller at a broker: it sees every message and keeps what is retained.
type watcher struct {
	mu       sync.Mutex
	seen     []mqtt.Message
	retained map[string]string
	more     chan struct{}
}

func watchBroker(t *testing.T, g *started, filter string) *watcher {
	w := &watcher{retained: map[string]string{}, more: make(chan struct{}, 1)}
	t.Cleanup(g.broker.Subscribe(filter, func(m *mqtt.Message) {
		w.mu.Lock()
		w.seen = append(w.seen, *m)
		if m.Retain {
			w.retained[m.Topic] = string(m.Payload)
			if len(m.Payload) == 0 {
				delete(w.retained, m.Topic)
			}
		}
		w.mu.Unlock()
		wake(w.more)
	}))
	return w
}

// until waits for a condition on what there is.
func (w *watcher) until(t *testing.T, what string, ok func(w *watcher) bool) {
	t.Helper()
	limit := time.After(waitLimit)
	for {
		w.mu.Lock()
		done := ok(w)
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.more:
		case <-limit:
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Fatalf("%s: not after %v; there is %v", what, waitLimit, slices.Sorted(maps.Keys(w.retained)))
		}
	}
}

// exactly waits until what is retained below prefix is exactly what the file yields.
func (w *watcher) exactly(t *testing.T, what string, want []discovery.Document) {
	t.Helper()
	texts := map[string]string{}
	for _, d := range want {
		texts[d.Topic] = string(d.Payload)
	}
	w.until(t, what, func(w *watcher) bool { return maps.Equal(w.retained, texts) })
}

// yields is what the file of a gateway has described at a broker.
func (s *started) yields(prefix string) []discovery.Document {
	c := s.config()
	n := describe.Of(c)
	if !c.HomeAssistant.Enabled {
		return nil
	}
	return homeassistant.Documents(&n, homeassistant.Options{HomeAssistant: c.HomeAssistant, Version: "test", TopicPrefix: prefix})
}

const found = `
[homeassistant]
[device.pump]
driver = "sim"
every = "1h"
[device.pump.channels]
state = { shape = "output" }
power = { shape = "walk", to = 10, unit = "W" }
`

const tank = `
[device.tank]
driver = "sim"
every = "1h"
[device.tank.channels]
level = { shape = "sine", unit = "%" }
`

func (s *started) reload(toml string) {
	s.t.Helper()
	s.write(toml)
	if err := s.Reload(); err != nil {
		s.t.Fatal(err)
	}
}

// A device that is renamed, a channel that is removed, a convention that is turned off:
// Home Assistant finds exactly what the file says, and nothing of before.
func TestHomeAssistantForgetsWhatTheFileForgets(t *testing.T) {
	g := startGateway(t, found+tank)
	w := watchBroker(t, g, "homeassistant/#")
	w.exactly(t, "at the start", g.yields(""))
	judge := hatest.Judge{Prefix: "homeassistant"}
	for _, d := range g.yields("") {
		judge.Message(d.Topic, d.Payload)
	}
	if len(judge.Faults) > 0 || len(judge.Entities) < 8 {
		t.Errorf("%d entities, faults %q", len(judge.Entities), judge.Faults)
	}
	g.reload(strings.ReplaceAll(found, "device.pump", "device.pump2") + tank)
	w.exactly(t, "a renamed device", g.yields(""))
	g.reload(strings.Replace(found, "power =", "watts =", 1))
	w.exactly(t, "a removed device and a renamed channel", g.yields(""))
	g.reload(strings.Replace(found, "power =", "watts =", 1) + tank)
	w.exactly(t, "a device that came back", g.yields(""))
	g.reload(strings.Replace(found, "[homeassistant]", "[homeassistant]\nform = \"single\"", 1))
	w.exactly(t, "the other form", g.yields(""))
	g.reload(strings.Replace(found, "[homeassistant]", "", 1))
	w.exactly(t, "turned off", nil)
	for limit := time.After(waitLimit); len(g.journal.Keys(ledgerKey)) != 0; { // the list goes last
		select {
		case <-limit:
			t.Fatalf("the journal still has %q", g.journal.Keys(ledgerKey))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A component that is gone is first said to be gone: left out it would stay forever.
func TestARemovedChannelIsSaidToBeGone(t *testing.T) {
	g := startGateway(t, found)
	w := watchBroker(t, g, "homeassistant/device/barn_pump/config")
	w.exactly(t, "at the start", g.yields("")[1:])
	g.reload(strings.Replace(found, `power = { shape = "walk", to = 10, unit = "W" }`, "", 1))
	w.exactly(t, "after the reload", g.yields("")[1:])
	w.mu.Lock()
	defer w.mu.Unlock()
	goodbye := slices.IndexFunc(w.seen, func(m mqtt.Message) bool {
		return strings.Contains(string(m.Payload), `"power":{"platform":"sensor"}`)
	})
	if goodbye < 0 || goodbye == len(w.seen)-1 {
		t.Errorf("power was not said to be gone, or last: %d of %d", goodbye, len(w.seen))
	}
}

// What an earlier run left in the broker and no list knows any more, because the store was
// lost in between, is found by its origin; what others have described stays.
func TestRetainedDescriptionsWithoutAListAreCleared(t *testing.T) {
	g := startGateway(t, "")
	for topic, payload := range map[string]string{
		"homeassistant/device/barn_gone/config":         `{"device":{"identifiers":["barn_gone"],"via_device":"barn"},"origin":{"name":"sensorgate"},"components":{"a":{"platform":"sensor"}}}`,
		"homeassistant/device/house_gone/config":        `{"device":{"identifiers":["house_gone"],"via_device":"house"},"origin":{"name":"sensorgate"},"components":{}}`,
		"homeassistant/sensor/0x00158d0001/temp/config": `{"device":{"identifiers":["z2m"]},"origin":{"name":"Zigbee2MQTT"}}`,
	} {
		g.publish(mqtt.Message{Topic: topic, Payload: []byte(payload), Retain: true})
	}
	w := watchBroker(t, g, "homeassistant/#")
	g.reload(found)
	want := len(g.yields("")) + 2
	w.until(t, "cleared", func(w *watcher) bool {
		return w.retained["homeassistant/device/barn_gone/config"] == "" && len(w.retained) == want
	})
}

// Home Assistant says that it has started: all is described again, and every value that is
// not retained is said again, but an event is not.
func TestBirthBringsDescriptionsAndStates(t *testing.T) {
	g := startGateway(t, found)
	configs, states := watchBroker(t, g, "homeassistant/device/#"), watchBroker(t, g, "barn/pump/power")
	configs.exactly(t, "at the start", g.yields(""))
	states.until(t, "the first value", func(w *watcher) bool { return len(w.seen) == 1 })
	before := len(configs.seen)
	g.publish(mqtt.Message{Topic: "homeassistant/status", Payload: []byte("offline"), Origin: "client/ha"})
	g.publish(mqtt.Message{Topic: "homeassistant/status", Payload: []byte("online"), Origin: "client/ha"})
	states.until(t, "the value again", func(w *watcher) bool { return len(w.seen) == 2 })
	configs.until(t, "the descriptions again", func(w *watcher) bool { return len(w.seen) == 2*before })
	if string(states.seen[0].Payload) != string(states.seen[1].Payload) {
		t.Errorf("the value was %s and is %s", states.seen[0].Payload, states.seen[1].Payload)
	}
}

// Nobody can have the gateway answer a command on a topic of discovery.
func TestNoAnswerOnATopicOfDiscovery(t *testing.T) {
	g := startGateway(t, found)
	for _, topic := range []string{"homeassistant/device/barn_pump/config", "homeassistant/status", "homeassistant/sensor/x/y/config"} {
		if !owns(g.config(), topic) {
			t.Errorf("an answer may go to %s", topic)
		}
	}
}

// {node}/status says whether the gateway is there, and goes offline with it.
func TestTheGatewaySaysThatItIsOnline(t *testing.T) {
	var said []string
	t.Cleanup(func() { // the gateway has stopped by then
		if !slices.Equal(said, []string{"online", "offline"}) {
			t.Errorf("it said %q", said)
		}
	})
	g := startGateway(t, found)
	w := watchBroker(t, g, "barn/status")
	w.until(t, "online", func(w *watcher) bool { return w.retained["barn/status"] == "online" })
	g.broker.Subscribe("barn/status", func(m *mqtt.Message) { said = append(said, string(m.Payload)) })
}

// upstreamOf is a second gateway, whose broker is where Home Assistant is connected, and the
// file of the first.
func upstreamOf(t *testing.T, address, more, rest string) string {
	t.Helper()
	return fmt.Sprintf("[bridge.ha]\nurls = [\"mqtt://%s\"]\nprefix = \"sites/42/\"\n%s\n%s", address, more, rest)
}

// At an upstream the topics inside of descriptions have the bridge's prefix, states arrive
// there, and commands and birth come back; what is turned off is cleaned up there, too.
func TestHomeAssistantAtAnUpstream(t *testing.T) {
	home := startGatewayOn(t, NewHardware(quiet), "anonymous = true\n")
	address := home.broker.Addrs()[0].String()
	w := watchBroker(t, home, "homeassistant/device/#")
	states := watchBroker(t, home, "sites/42/barn/#")
	file := strings.Replace(found, "[homeassistant]", "[homeassistant]\nbridges = [\"ha\"]", 1)
	g := startGateway(t, upstreamOf(t, address, "", file+tank))
	w.exactly(t, "at the start", g.yields("sites/42/"))
	states.until(t, "states", func(w *watcher) bool {
		return w.retained["sites/42/barn/status"] == "online" && w.retained["sites/42/barn/pump/state"] != "" &&
			w.retained["sites/42/barn/tank/status"] != "" && slices.ContainsFunc(w.seen, func(m mqtt.Message) bool { return m.Topic == "sites/42/barn/pump/power" })
	})
	home.publish(mqtt.Message{Topic: "sites/42/barn/pump/state/set", Payload: []byte("on"), QoS: 1})
	states.until(t, "the command's result", func(w *watcher) bool {
		return slices.ContainsFunc(w.seen, func(m mqtt.Message) bool {
			return m.Topic == "sites/42/barn/pump/state/set/result" && strings.Contains(string(m.Payload), `"done"`)
		})
	})
	before := len(w.seen)
	home.publish(mqtt.Message{Topic: "homeassistant/status", Payload: []byte("online")})
	w.until(t, "described again", func(w *watcher) bool { return len(w.seen) == 2*before })

	g.reload(upstreamOf(t, address, "", file))
	w.exactly(t, "a removed device", g.yields("sites/42/"))
	g.reload(upstreamOf(t, address, "rules = [ { dir = \"in\", local = \"x\" } ]", found))
	w.exactly(t, "no longer at the upstream", nil)
}

// While the upstream is away a device is removed, values change and a button is pressed:
// when it is back there is only what the file says and the newest values, and nothing of
// the time in between.
func TestAnUpstreamThatWasAwayGetsTheNewestOnly(t *testing.T) {
	home := startGatewayOn(t, NewHardware(quiet), "anonymous = true\n")
	address := home.broker.Addrs()[0].String()
	w := watchBroker(t, home, "homeassistant/device/#")
	states := watchBroker(t, home, "sites/42/barn/pump/state")
	file := strings.Replace(found, "[homeassistant]", "[homeassistant]\nbridges = [\"ha\"]", 1)
	file = strings.Replace(file, "1h", "100ms", 1)
	rules := "rules = [ { dir = \"out\", local = \"{node}/#\" } ]" // would send a backlog
	g := startGateway(t, upstreamOf(t, address, rules, file+tank))
	w.exactly(t, "at the start", g.yields("sites/42/"))
	states.until(t, "the state", func(w *watcher) bool {
		return strings.Contains(w.retained["sites/42/barn/pump/state"], `"value":false`)
	})

	g.Cut(true)
	local := watchBroker(t, g, "barn/pump/state")
	for _, on := range []bool{true, false, true} {
		is := fmt.Sprint(on)
		g.publish(mqtt.Message{Topic: "barn/pump/state/set", Payload: []byte(is), QoS: 1})
		local.until(t, "switched to "+is, func(w *watcher) bool { return strings.Contains(w.retained["barn/pump/state"], `"value":`+is) })
	}
	g.reload(upstreamOf(t, address, rules, file)) // a bridge that did not change stays cut
	g.Cut(false)
	w.exactly(t, "when it is back", g.yields("sites/42/"))
	states.until(t, "the newest state", func(w *watcher) bool { return strings.Contains(w.retained["sites/42/barn/pump/state"], `"value":true`) })
	marker := watchBroker(t, home, "sites/42/barn/marker")
	g.publish(mqtt.Message{Topic: "barn/marker", Payload: []byte("the backlog is through"), QoS: 1})
	marker.until(t, "all that waited", func(w *watcher) bool { return len(w.seen) > 0 })
	states.mu.Lock()
	defer states.mu.Unlock()
	for i, m := range states.seen {
		if i > 0 && strings.Contains(string(m.Payload), `"value":false`) && strings.Contains(string(states.seen[i-1].Payload), `"value":true`) {
			t.Errorf("a backlog came: %s after %s", m.Payload, states.seen[i-1].Payload)
		}
	}
}

// The list of what is at an upstream outlives the bridge: a convention that was turned off
// while the upstream was away is cleaned up when it is back.
func TestTurnedOffWhileTheUpstreamIsAway(t *testing.T) {
	home := startGatewayOn(t, NewHardware(quiet), "anonymous = true\n")
	address := home.broker.Addrs()[0].String()
	w := watchBroker(t, home, "homeassistant/device/#")
	file := strings.Replace(found, "[homeassistant]", "[homeassistant]\nbridges = [\"ha\"]", 1)
	g := startGateway(t, upstreamOf(t, address, "", file))
	w.exactly(t, "at the start", g.yields("sites/42/"))
	ln, err := net.Listen("tcp", "127.0.0.1:0") // where nobody answers
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	plain := "rules = [ { dir = \"in\", local = \"x\" } ]"
	g.reload(upstreamOf(t, nobody, plain, strings.Replace(found, "[homeassistant]", "", 1)))
	if keys := g.journal.Keys(ledgerKey + "homeassistant/bridge/"); len(keys) != 1 {
		t.Fatalf("the journal has %q", keys)
	}
	g.reload(upstreamOf(t, address, plain, strings.Replace(found, "[homeassistant]", "", 1)))
	w.exactly(t, "when it is back", nil)
}

// The identity of a gateway without a name in the file does not change with the host name.
func TestTheHostNameMayChange(t *testing.T) {
	g := startGateway(t, "")
	was := &config.Config{Node: "raspberrypi"}
	if id := g.conventions.nodeID(was); id != "raspberrypi" {
		t.Errorf("the id is %q", id)
	}
	if id := g.conventions.nodeID(&config.Config{Node: "attic"}); id != "raspberrypi" {
		t.Errorf("under another host name the id is %q", id)
	}
	g.journal.Delete(idKey, journal.Event)
}
