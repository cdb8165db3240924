package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/drivers/serial"
	"sensorgate/internal/freeport"
)

// Faults in the configuration end the program with code 2 and say what to do.
func TestBadConfigurations(t *testing.T) {
	for _, test := range []struct {
		name, toml string
		want       []string
	}{
		{"broken TOML", "[device.x\n", []string{"sensorgate.toml:1:"}},
		{"unknown key", "nodde = \"x\"\n", []string{"sensorgate.toml:1:1", "nodde", "node"}},
		{"unknown driver", "[device.x]\ndriver = \"bme820\"\n", []string{":2:", "bme820", "bme280"}},
		{"no port", "[device.x]\ndriver = \"lines\"\nmatch = '(?P<v>.*)'\n", []string{"device.x", "serial"}},
		{"open to the world", "[broker]\nlisten = [\"tcp://0.0.0.0:1883\"]\n", []string{"passwords"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, "sensorgate.toml", test.toml)
			for _, command := range []string{"check", "run"} {
				out, code := once(t, command, "--config", file)
				if code != 2 {
					t.Errorf("%s: exit code %d, want 2 (the unit does not restart on it)\n%s", command, code, out)
				}
				for _, w := range test.want {
					if !strings.Contains(out, w) {
						t.Errorf("%s: the message lacks %q:\n%s", command, w, out)
					}
				}
			}
		})
	}
}

func TestMissingConfiguration(t *testing.T) {
	for _, command := range []string{"check", "run"} {
		out, code := once(t, command, "--config", "/nonexistent/x.toml")
		if code != 2 || !strings.Contains(out, "/nonexistent/x.toml") {
			t.Errorf("%s: exit code %d and %q, want 2 and the name of the file", command, code, out)
		}
	}
}

func TestPortTakenSaysByWhom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	gw, _ := gateway(t, simOnly(port))
	self, err := os.ReadFile("/proc/self/comm") // e2e.test, or what emulates it
	if err != nil {
		t.Fatal(err)
	}
	out, _ := gw.out.text()
	if want := fmt.Sprintf("127.0.0.1:%d: already taken by %s", port, strings.TrimSpace(string(self))); !strings.Contains(out, want) {
		t.Errorf("want %q in:\n%s", want, out)
	}
	if code := gw.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("asked to stop, it ends with %d", code)
	}
}

// TestTroubleCostsOnlyItself: everything that can be wrong at run time at once, and
// the one good device goes on.
func TestTroubleCostsOnlyItself(t *testing.T) {
	noisy, noisyPort, err := serial.OpenPTY()
	if err != nil {
		t.Skipf("skipped: no ptys here: %v", err)
	}
	defer noisy.Close()
	vanishing, vanishingPort, err := serial.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	port, locked := freeport.Port(t), freeport.Port(t)
	passwords := write(t, "passwd", "") // nobody may in
	mosquitto(t, locked, "allow_anonymous false", "password_file "+passwords)
	gw, _ := gateway(t, simOnly(port)+fmt.Sprintf(`
[device.noisy]
driver = "lines"
serial = { port = %q, line = "115200 8N1" }
match  = '^T=(?P<t>-?\d+\.\d)$'
[device.vanishing]
driver = "lines"
serial = { port = %q, line = "9600 8N1" }
match  = '^V=(?P<v>\d+)$'
[device.missing]
driver = "lines"
serial = { port = "/dev/ttyNOTTHERE", line = "9600 8N1" }
match  = '^V=(?P<v>\d+)$'
[device.nochip]
driver = "bme280"
i2c = "97:0x76"
[bridge.nowhere]
urls = ["mqtt://127.0.0.1:1"]
rules = [ { dir = "out", local = "{node}/#", qos = 1 } ]
[bridge.locked]
urls = ["mqtt://127.0.0.1:%d"]
user = "barn"
rules = [ { dir = "out", local = "{node}/#", qos = 1 } ]
`, noisyPort, vanishingPort, locked))
	sub := subscriber(t, port, "-t", "barn/#")

	stop := say(t, vanishing, "V=1\r\n")
	sub.waitFor("barn/vanishing/v", 10*time.Second)
	stop()
	vanishing.Close()
	noisy.Write(bytes.Repeat([]byte{'x'}, 300_000)) // a line without an end
	noisy.Write([]byte("\r\n\x00\xff\xfe garbage\r\nT=21.5\r\n"))

	sub.waitFor(`barn/noisy/t {"value":21.5`, 20*time.Second)
	for _, device := range []string{"missing", "nochip", "vanishing"} {
		sub.wait("trouble of "+device, 15*time.Second, func(out string) bool {
			return strings.Contains(out, `barn/`+device+`/status {"state":"absent"`) ||
				strings.Contains(out, `barn/`+device+`/status {"state":"failing"`)
		})
	}
	gw.waitFor("127.0.0.1:1", 10*time.Second)
	gw.wait("refused credentials are reported", 10*time.Second, func(out string) bool {
		return strings.Contains(out, "locked") && strings.Contains(strings.ToLower(out), "not authori")
	})
	before, _ := sub.out.text()
	sub.wait("the good device goes on", 5*time.Second, func(out string) bool {
		return strings.Count(out, "barn/a/n ") > strings.Count(before, "barn/a/n ")+10
	})
	if code := gw.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	log, _ := gw.out.text()
	if n := strings.Count(log, "device=missing"); n != 1 {
		t.Errorf("the missing port was logged %d times for its device, want once per outage", n)
	}
}
