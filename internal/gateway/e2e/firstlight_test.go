package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/drivers/serial"
	"sensorgate/internal/freeport"
)

// A real receiver's burst; the checksums are right.
const nmeaBurst = "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n" +
	"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n"

func firstLight(local, upstream int, gps, counter string) string {
	return fmt.Sprintf(`
node = "barn"
[broker]
listen = ["tcp://127.0.0.1:%d"]

[device.gps]
driver = "nmea"
serial = { port = %q, line = "9600 8N1" }
every  = "100ms"

[device.seq]
driver = "lines"
serial = { port = %q, line = "9600 8N1" }
match  = '^SEQ (?P<n>\d+)$'
example = 'SEQ 17'

[device.pump]
driver = "sim"
every  = "1s"
[device.pump.channels]
state = { shape = "output" }

[bridge.cloud]
urls   = ["mqtt://127.0.0.1:%d"]
prefix = "sites/42/"
keep_alive = "5s"
status = { topic = "{node}/status", online = "online", offline = "offline" }
rules  = [
  { dir = "out", local = "{node}/#",       qos = 1 },
  { dir = "in",  local = "{node}/+/+/set", qos = 1, expire = "30s" },
]
`, local, gps, counter, upstream)
}

// feed writes numbered lines to a pty until stop is closed; it returns how many.
func feed(t *testing.T, tty *os.File, stop <-chan struct{}) <-chan int {
	t.Helper()
	count := make(chan int, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				count <- n
				return
			case <-tick.C:
				fmt.Fprintf(tty, "SEQ %d\r\n", n)
			}
		}
	}()
	return count
}

func TestFirstLight(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	gps, gpsPort, err := serial.OpenPTY()
	if err != nil {
		t.Skipf("skipped: no ptys here: %v", err)
	}
	defer gps.Close()
	counter, counterPort, err := serial.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()

	up, local := freeport.Port(t), freeport.Port(t)
	far := mosquitto(t, up)
	sub := subscriber(t, up, "-t", "sites/42/#", "-q", "1", "-F", "%q %r %t %p", "-i", "ledger", "-c")
	gw, _ := gateway(t, firstLight(local, up, gpsPort, counterPort))
	sub.waitFor("1 0 sites/42/barn/status online", 10*time.Second) // the prefix once

	t.Run("readings arrive upstream with QoS 1", func(t *testing.T) {
		defer say(t, gps, "garbage\x00\xff"+nmeaBurst)()
		out := sub.waitFor("sites/42/barn/gps/latitude", 10*time.Second)
		if !strings.Contains(out, "1 0 sites/42/barn/gps/latitude {\"value\":48.117") {
			t.Errorf("want QoS 1 and 48.117…, got:\n%s", out)
		}
	})

	whole := t // what outlives a subtest belongs to it
	t.Run("an upstream killed for five seconds misses nothing", func(t *testing.T) {
		stop := make(chan struct{})
		count := feed(t, counter, stop)
		sub.waitFor(`barn/seq/n {"value":10,`, 10*time.Second)
		far.stop(syscall.SIGKILL)
		time.Sleep(5 * time.Second) // the outage itself
		mosquitto(whole, up)
		sub2 := subscriber(t, up, "-t", "sites/42/#", "-q", "1", "-i", "ledger", "-c")
		sub2.waitFor("barn/seq/n", 20*time.Second)
		close(stop)
		n := <-count
		last := fmt.Sprintf(`barn/seq/n {"value":%d,`, n-1)
		sub2.waitFor(last, 20*time.Second)
		before, _ := sub.out.text()
		after, _ := sub2.out.text()
		for i := range n {
			if want := fmt.Sprintf(`barn/seq/n {"value":%d,`, i); !strings.Contains(before+after, want) {
				t.Errorf("reading %d of %d never arrived", i, n)
			}
		}
	})

	t.Run("a command comes down and its outcome goes up", func(t *testing.T) {
		answers := subscriber(t, up, "-t", "sites/42/barn/pump/#", "-q", "1")
		answers.waitFor("sites/42/barn/pump", 10*time.Second)
		pub := need(t, "mosquitto_pub", "mosquitto-clients")
		start(t, pub, "-p", fmt.Sprint(up), "-q", "1", "-t", "sites/42/barn/pump/state/set", "-m", "on").exit(5 * time.Second)
		out := answers.waitFor("barn/pump/state/set/result", 10*time.Second)
		if !strings.Contains(out, `"done"`) {
			t.Errorf("want done, got:\n%s", out)
		}
	})

	t.Run("a killed gateway is offline by its will", func(t *testing.T) {
		presence := subscriber(t, up, "-t", "sites/42/barn/status")
		presence.waitFor("barn/status online", 5*time.Second)
		gw.stop(syscall.SIGKILL)
		presence.waitFor("barn/status offline", 10*time.Second)
	})
}

func TestCleanStopSaysOffline(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			up, local := freeport.Port(t), freeport.Port(t)
			mosquitto(t, up)
			gw, _ := gateway(t, fmt.Sprintf(`
node = "barn"
[broker]
listen = ["tcp://127.0.0.1:%d"]
[device.a]
driver = "sim"
every = "100ms"
[device.a.channels]
n = { shape = "counter" }
[bridge.cloud]
urls = ["mqtt://127.0.0.1:%d"]
status = { topic = "{node}/status", online = "online", offline = "offline" }
rules = [ { dir = "out", local = "{node}/#", qos = 1 } ]
`, local, up))
			sub := subscriber(t, up, "-t", "#", "-q", "1")
			sub.waitFor("barn/status online", 10*time.Second)
			sub.waitFor("barn/a/n", 5*time.Second)
			if code := gw.stop(sig); code != 0 {
				t.Errorf("exit code %d, want 0: it was asked to stop", code)
			}
			out := sub.waitFor("barn/status offline", 5*time.Second)
			if i, j := strings.LastIndex(out, `"stopped"`), strings.LastIndex(out, "barn/status offline"); i < 0 || i > j {
				t.Errorf("the device's last word (stopped) did not arrive before offline:\n%s", out)
			}
		})
	}
}
