package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// A Pi with mosquitto on 1883: the gateway reads, keeps and sends to it all the same, says
// what is wrong, and has its port when mosquitto is gone.
func TestPortTakenByMosquitto(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	port := freeport.Port(t)
	theirs := mosquitto(t, port)
	sub := subscriber(t, port, "-t", "barn/#", "-q", "1")
	gw, file := gateway(t, fmt.Sprintf(`
node = "barn"
[broker]
listen = ["tcp://127.0.0.1:%d"]
[device.tank]
driver = "sim"
every = "1s"
[device.tank.channels]
level = { shape = "sine", from = 42, to = 42.5, unit = "%%" }
[bridge.local]
urls = ["mqtt://127.0.0.1:%d"]
rules = [ { dir = "out", local = "{node}/#", qos = 1 } ]
`, port, port))
	gw.waitFor("already taken", 30*time.Second)
	sub.waitFor(`barn/tank/level {"value":42`, 30*time.Second)
	out, code := once(t, "status", "-c", file)
	if code != 0 || !strings.Contains(out, "already taken by mosquitto") || !strings.Contains(out, "listening nowhere") {
		t.Errorf("status (%d) does not say who has the port:\n%s", code, out)
	}
	if out, code := once(t, "sub", "--config", file, "-t", "#", "-C", "1", "-W", "5"); code == 0 || !strings.Contains(out, "already taken") {
		t.Errorf("sub talks to mosquitto in silence (%d):\n%s", code, out)
	}
	theirs.stop(syscall.SIGTERM)
	gw.waitFor("listener opened", 90*time.Second)
	if out, code := once(t, "sub", "--config", file, "-t", "barn/tank/level", "-C", "1", "-W", "20"); code != 0 || !strings.Contains(out, `"value":42`) {
		t.Errorf("sub finds the gateway's own broker: %d, %s", code, out)
	}
}
