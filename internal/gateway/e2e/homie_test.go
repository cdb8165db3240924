package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// controller is a Homie controller that others have written: npm's node-homie, version 5.0.0
// for Homie 5 and 0.9.25 for Homie 4.
type controller struct {
	program *process
	stdin   io.Writer
}

// known is what it knows.
type known struct {
	Devices    map[string]homieDevice
	Complaints []string // what it did not like
	Logs       []string
}

type homieDevice struct {
	Name, Homie, State, Parent string
	Nodes                      map[string]map[string]homieProperty
	Alerts                     map[string]string
}

type homieProperty struct {
	Name, Datatype, Format, Unit string
	Settable, Retained, Valid    bool
	Value, Target                *string
}

func (p homieProperty) is(value string) bool { return p.Value != nil && *p.Value == value && p.Valid }

func controllerAt(t *testing.T, port, version int) *controller {
	t.Helper()
	folder := os.Getenv("NODE_HOMIE")
	if folder == "" {
		t.Skip("skipped: no Homie controller here (npm install node-homie@5.0.0 node-homie4@npm:node-homie@0.9.25; NODE_HOMIE=…/node_modules)")
	}
	node := need(t, "node", "nodejs")
	library := filepath.Join(folder, map[int]string{4: "node-homie4", 5: "node-homie"}[version])
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	return &controller{startWith(t, read, node, "testdata/homie.js", library, fmt.Sprintf("mqtt://127.0.0.1:%d", port)), write}
}

// until waits until what the controller knows satisfies ok.
func (c *controller) until(what string, ok func(k known) bool) (k known) {
	c.program.t.Helper()
	c.program.wait(what, 2*time.Minute, func(out string) bool {
		lines := strings.Split(strings.TrimSpace(out), "\n")
		k = known{}
		return json.Unmarshal([]byte(lines[len(lines)-1]), &k) == nil && ok(k)
	})
	return k
}

func (c *controller) set(property, value string) {
	fmt.Fprintf(c.stdin, "%s %s\n", property, value)
}

// homieAway is a gateway whose controllers are at another broker, which is Debian's.
type homieAway struct {
	t             *testing.T
	file          string
	version, port int
	program       *process
}

const pump = `
[device.Pump_2]
driver = "sim"
every = "1s"
channels.state = { shape = "output" }
channels.target = { shape = "setpoint", from = 5, to = 30, unit = "°C" }
channels.pm2_5 = { shape = "walk", to = 10, unit = "µg/m³", digits = 1 }
`

func (h *homieAway) write(devices string) {
	h.t.Helper()
	text := fmt.Sprintf("node = \"barn\"\ndata = %q\nbroker.listen = []\n[homie]\nversion = %d\nbridges = [\"up\"]\n[bridge.up]\nurls = [\"mqtt://127.0.0.1:%d\"]\nrules = [ { dir = \"out\", local = \"{node}/#\" } ]\n%s",
		filepath.Join(filepath.Dir(h.file), "data"), h.version, h.port, devices)
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *homieAway) start() {
	h.t.Helper()
	h.program = start(h.t, binary, "run", "--config", h.file)
	h.program.waitFor("broker ready", time.Minute)
}

func (h *homieAway) reload(devices string) {
	h.t.Helper()
	h.write(devices)
	h.program.cmd.Process.Signal(syscall.SIGHUP)
}

// deviceOf is our pump in what the controller knows, with the state that a controller shows for it.
func (h *homieAway) deviceOf(k known) (state string, properties map[string]homieProperty, alerts map[string]string) {
	if h.version == 4 {
		d := k.Devices["barn"]
		return d.State, d.Nodes["pump-2"], nil
	}
	d := k.Devices["barn-pump-2"]
	return d.State, d.Nodes["channels"], d.Alerts
}

// Somebody else's controller at somebody else's broker finds the device with all that it
// needs, sets it, and sees how it does: ready, in alert, lost after kill -9, disconnected
// after a stop; and it forgets what is taken out of the file.
func TestAHomieControllerOfOthers(t *testing.T) {
	for _, version := range []int{4, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			h := &homieAway{t: t, file: write(t, "sensorgate.toml", ""), version: version, port: freeport.Port(t)}
			c := controllerAt(t, h.port, version)
			mosquitto(t, h.port)
			h.write(pump)
			h.start()
			h.isFound(c)
			h.isSet(c)
			h.showsHowItDoes(c)
			h.isForgotten(c)
		})
	}
}

func (h *homieAway) isFound(c *controller) {
	h.t.Helper()
	k := c.until("all of it", func(k known) bool {
		state, p, _ := h.deviceOf(k)
		return state == "ready" && p["state"].is("false") && p["target"].is("5") && p["pm2-5"].Value != nil
	})
	_, p, _ := h.deviceOf(k)
	if target := p["target"]; target.Datatype != "float" || target.Format != "5:30" || target.Unit != "°C" || !target.Settable || !target.Retained {
		h.t.Errorf("target is %+v", target)
	}
	if pm := p["pm2-5"]; pm.Name != "pm2_5" || pm.Datatype != "float" || pm.Unit != "µg/m³" || pm.Settable || !pm.Valid {
		h.t.Errorf("pm2-5 is %+v", pm)
	}
	if root := k.Devices["barn"]; root.Name != "barn" || root.Homie != map[int]string{4: "4.0.0", 5: "5.0"}[h.version] {
		h.t.Errorf("the gateway is %+v", root)
	}
	if len(k.Complaints) > 0 {
		h.t.Errorf("the controller complains: %q", k.Complaints)
	}
}

func (h *homieAway) isSet(c *controller) {
	h.t.Helper()
	at := map[int]string{4: "barn/pump-2/", 5: "barn-pump-2/channels/"}[h.version]
	c.set(at+"target", "21.50")
	c.until("set", func(k known) bool {
		_, p, _ := h.deviceOf(k)
		target := p["target"]
		// 5.0, "Target attribute": the exact value received.
		return target.is("21.5") && (h.version == 4 || target.Target != nil && *target.Target == "21.50")
	})
	c.set(at+"state", "true")
	c.until("switched", func(k known) bool { _, p, _ := h.deviceOf(k); return p["state"].is("true") })
}

func (h *homieAway) showsHowItDoes(c *controller) {
	h.t.Helper()
	is := func(what string, want ...string) known {
		return c.until(what, func(k known) bool {
			state, _, _ := h.deviceOf(k)
			return slices.Contains(want, state)
		})
	}
	h.reload(strings.Replace(pump, "every", "fail = { every = \"1h\", for = \"1h\" }\nevery", 1))
	c.until("in alert", func(k known) bool {
		state, _, alerts := h.deviceOf(k)
		return state == "alert" || state == "lost" && alerts["device"] != ""
	})
	h.reload(pump)
	k := is("well again", "ready")
	if _, _, alerts := h.deviceOf(k); len(alerts) > 0 {
		c.until("no alert any more", func(k known) bool { _, _, alerts := h.deviceOf(k); return len(alerts) == 0 })
	}
	h.program.stop(syscall.SIGKILL)
	is("killed: the will of a connection of its own", "lost")
	h.start()
	is("back", "ready")
	h.program.stop(syscall.SIGTERM)
	c.until("stopped", func(k known) bool { return k.Devices["barn"].State == "disconnected" })
	h.start()
	k = is("started", "ready")
	if len(k.Complaints) > 0 {
		h.t.Errorf("the controller complains: %q", k.Complaints)
	}
}

func (h *homieAway) isForgotten(c *controller) {
	h.t.Helper()
	h.reload(strings.ReplaceAll(pump, "Pump_2", "Fan"))
	c.until("renamed", func(k known) bool {
		_, p, _ := h.deviceOf(k)
		_, fan4 := k.Devices["barn"].Nodes["fan"]
		_, fan5 := k.Devices["barn-fan"]
		return p == nil && (fan4 || fan5)
	})
}

// What a gateway that is gone has left at an upstream, `discovery` lists and removes: what its
// file does not yield any more, or with --node all of it, and nothing of others.
func TestDiscoveryCleansUpHomie(t *testing.T) {
	for _, version := range []int{4, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			h := &homieAway{t: t, file: write(t, "sensorgate.toml", ""), version: version, port: freeport.Port(t)}
			mosquitto(t, h.port)
			url := fmt.Sprintf("mqtt://127.0.0.1:%d", h.port)
			if out, code := once(t, "pub", "-L", url+"/homie/kettle/$implementation", "-r", "-m", "esp8266"); code != 0 {
				t.Fatal(out)
			}
			h.write(pump)
			h.start()
			rows := func(state string) (topics []string) {
				out, code := once(t, "discovery", "list", "--json", "-c", h.file, "-L", url)
				var found []struct{ Topic, Node, State string }
				if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 {
					t.Fatalf("%v: %s", err, out)
				}
				for _, r := range found {
					if r.State == state && r.Node == "barn" {
						topics = append(topics, r.Topic)
					}
				}
				return topics
			}
			values := map[int]string{4: "homie/barn/pump-2/pm2-5", 5: "homie/5/barn-pump-2/channels/pm2-5"}[version]
			for limit := time.Now().Add(2 * time.Minute); !slices.Contains(rows("wanted"), values); { // each call takes a while
				if time.Now().After(limit) {
					t.Fatalf("there is %q", rows("wanted"))
				}
			}
			h.program.stop(syscall.SIGKILL)
			h.write(strings.Replace(pump, "pm2_5", "pm1", 1))
			if left := rows("left over"); !slices.Contains(left, values) || slices.ContainsFunc(left, func(s string) bool { return strings.HasSuffix(s, "target") }) {
				t.Errorf("left over are %q", left)
			}
			if out, code := once(t, "discovery", "clean", "-c", h.file, "-L", url); code != 0 || !strings.Contains(out, "removed") {
				t.Errorf("clean: %d: %s", code, out)
			}
			if left := rows("left over"); left != nil || rows("wanted") == nil {
				t.Errorf("after it left over are %q", left)
			}
			other := write(t, "other.toml", "node = \"attic\"\nbroker.listen = []\n")
			if out, code := once(t, "discovery", "clean", "-c", other, "-L", url, "--node", "barn"); code != 0 {
				t.Errorf("clean --node: %d: %s", code, out)
			}
			marker := subscriber(t, h.port, "-t", "homie/#", "-t", "end")
			once(t, "pub", "-L", url+"/end", "-r", "-m", "of it")
			if got := strings.TrimSpace(marker.waitFor("end of it", time.Minute)); got != "homie/kettle/$implementation esp8266\nend of it" {
				t.Errorf("there is\n%s", got)
			}
		})
	}
}
