package gateway

import (
	"fmt"
	"strings"
	"testing"

	"sensorgate/bridge"
	"sensorgate/internal/config"
)

// described is a file with both conventions at a bridge of that name and address.
func describedAt(name, address, devices string) string {
	file := strings.Replace(found, "[homeassistant]", fmt.Sprintf("[homeassistant]\nbridges = [%q]\n[homie]\nversion = 5\nbridges = [%q]", name, name), 1)
	return fmt.Sprintf("[bridge.%s]\nurls = [\"mqtt://%s\"]\n%s%s", name, address, file, devices)
}

// upstreamWatched is a broker of somebody's, with what it retains for controllers.
func upstreamWatched(t *testing.T) (address string, ha, homie *watcher) {
	t.Helper()
	home := startGatewayOn(t, NewHardware(quiet), "anonymous = true\n")
	return home.broker.Addrs()[0].String(), watchBroker(t, home, "homeassistant/device/#"), watchBroker(t, home, "homie/#")
}

func nothing(w *watcher) bool { return len(w.retained) == 0 }

// A bridge that a reload takes out of the file leaves nothing at its upstream.
func TestABridgeThatLeavesTheFileLeavesNothing(t *testing.T) {
	address, ha, homie := upstreamWatched(t)
	g := startGateway(t, describedAt("site", address, tank))
	ha.exactly(t, "at the start", g.yields(""))
	homie.until(t, "at the start", func(w *watcher) bool { return w.retained["homie/5/barn/$state"] == "ready" })
	g.reload(found)
	ha.exactly(t, "without the bridge", nil)
	homie.until(t, "without the bridge", nothing)
}

// A bridge under another name to the same upstream describes what the file says there, and
// what the former has left beside it goes: also when nobody has seen the change but the journal.
func TestABridgeOfAnotherNameCleansUp(t *testing.T) {
	address, ha, homie := upstreamWatched(t)
	g := startGateway(t, describedAt("site", address, tank))
	ha.exactly(t, "at the start", g.yields(""))
	g.reload(describedAt("house", address, ""))
	ha.exactly(t, "renamed", g.yields(""))
	homie.until(t, "renamed", func(w *watcher) bool {
		return w.retained["homie/5/barn/$state"] == "ready" && w.retained["homie/5/barn-tank/$state"] == "" && w.retained["homie/5/barn-pump/$state"] != ""
	})
}

// A bridge that goes to another upstream leaves nothing at the former.
func TestABridgeThatGoesElsewhereLeavesNothing(t *testing.T) {
	address, ha, homie := upstreamWatched(t)
	there, otherHA, _ := upstreamWatched(t)
	g := startGateway(t, describedAt("site", address, ""))
	ha.exactly(t, "at the start", g.yields(""))
	g.reload(describedAt("site", there, ""))
	otherHA.exactly(t, "at the new one", g.yields(""))
	ha.exactly(t, "at the former one", nil)
	homie.until(t, "at the former one", nothing)
}

// Homie's own connection takes nobody's client id: each would end the other's connection.
func TestHomieTakesNobodysClientID(t *testing.T) {
	g := startGateway(t, "[bridge.up]\nurls = [\"mqtt://127.0.0.1:1\"]\nrules = [ { dir = \"in\", local = \"y\" } ]\n[bridge.up-homie]\nurls = [\"mqtt://127.0.0.1:1\"]\nrules = [ { dir = \"in\", local = \"z\" } ]\n")
	var id string
	c := g.config().Bridges[0]
	if _, err := g.conventions.aside(c, "-homie", func(o *bridge.Options) { id = o.ClientID }); err != nil {
		t.Fatal(err)
	}
	for _, b := range []config.Bridge{g.config().Bridges[0], g.config().Bridges[1]} {
		if b.ClientID == id {
			t.Errorf("%s is that of the bridge %s", id, b.Name)
		}
	}
}
