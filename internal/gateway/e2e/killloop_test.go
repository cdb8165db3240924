package e2e

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

var (
	killCount = flag.Int("kill.count", 25, "how often TestKillLoop kills the gateway")
	killSeed  = flag.Uint64("kill.seed", 1, "when")
)

// TestKillLoop kills the real gateway with SIGKILL again and again while other
// people's clients publish to it and subscribe at it with persistent sessions, and
// keeps a ledger of what was acknowledged and what arrived: nothing acknowledged is
// lost, QoS 2 is neither lost nor doubled, the order per topic holds, the retained
// message is the newest.
func TestKillLoop(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes half a minute of kills")
	}
	k := newKillLoop(t)
	k.startGateway()
	k.client("sub", "near1", "1", "kill/#")
	k.client("sub", "near2", "2", "kill/#")
	k.far = k.clientAt(k.upstream, "sub", "far", "2", "kill/#")
	for _, c := range k.clients {
		c.waitFor("subscribed", 10*time.Second)
	}
	// Offline all the time: all that is published waits for it in the journal.
	k.client("sub", "later", "2", "kill/#").waitFor("subscribed", 10*time.Second)
	k.stopClient("later")
	k.client("pub", "p1", "1", "kill/one")
	exact := &exactPublisher{port: k.local, id: "p2", topic: "kill/two"}
	completed := exact.start(t)
	k.client("pub", "p-retained", "1", "kill/retained")

	for _, name := range []string{"p1", "p-retained"} {
		k.clients[name].waitFor("acked ", 20*time.Second) // a Python needs its time to start
	}
	rnd := rand.New(rand.NewPCG(*killSeed, 1))
	for range *killCount {
		time.Sleep(time.Duration(50+rnd.IntN(400)) * time.Millisecond) // kills come when they come
		k.gateway.cmd.Process.Kill()
		<-k.gateway.done
		k.startGateway()
	}
	sent := map[string]int{}
	sent["kill/two"] = exact.finish()
	for topic, name := range map[string]string{"kill/one": "p1", "kill/retained": "p-retained"} {
		sent[topic] = k.finish(name)
	}
	select {
	case <-completed:
	case <-time.After(30 * time.Second):
		t.Fatalf("%d QoS 2 messages are not completed", len(exact.inFlight))
	}
	k.client("sub", "later", "2", "kill/#")
	for _, name := range []string{"near1", "near2", "far", "later"} {
		k.checkSubscriber(name, sent)
	}
	k.checkRetained(sent["kill/retained"])
}

type killLoop struct {
	t               *testing.T
	python          string
	local, upstream int
	config          string
	gateway         *process
	clients         map[string]*process
	stdin           map[string]io.Writer
	far             *process
}

func newKillLoop(t *testing.T) *killLoop {
	k := &killLoop{t: t, python: python(t), local: freeport.Port(t), upstream: freeport.Port(t),
		clients: map[string]*process{}, stdin: map[string]io.Writer{}}
	mosquitto(t, k.upstream, "max_queued_messages 0", "max_inflight_messages 100", "log_type error", "log_type warning", "log_type notice")
	k.config = write(t, "sensorgate.toml", fmt.Sprintf(`
node = "barn"
data = %q
[broker]
listen = ["tcp://127.0.0.1:%d"]
[bridge.cloud]
urls = ["mqtt://127.0.0.1:%d"]
spool = { order = "oldest-first" }
rules = [ { dir = "out", local = "kill/#", qos = 2 } ]
`, t.TempDir(), k.local, k.upstream))
	return k
}

// python finds one with paho: Debian's package belongs to Debian's python.
func python(t *testing.T) string {
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import paho.mqtt.client").Run() == nil {
			return p
		}
	}
	t.Skip("skipped: no paho-mqtt for Python here (Debian package python3-paho-mqtt)")
	return ""
}

func (k *killLoop) startGateway() {
	k.t.Helper()
	k.gateway = start(k.t, binary, "run", "--config", k.config)
	k.gateway.waitFor("broker ready", 20*time.Second)
}

func (k *killLoop) client(role, name, qos, topic string) *process {
	return k.clientAt(k.local, role, name, qos, topic)
}

func (k *killLoop) clientAt(port int, role, name, qos, topic string) *process {
	k.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { r.Close(); w.Close() })
	p := startWith(k.t, r, k.python, filepath.Join("testdata", "killclient.py"), role, strconv.Itoa(port), name, qos, topic)
	k.clients[name], k.stdin[name] = p, w
	return p
}

func (k *killLoop) stopClient(name string) {
	k.t.Helper()
	fmt.Fprintln(k.stdin[name], "stop")
	k.clients[name].exit(10 * time.Second)
}

// finish stops a publisher and returns how many messages it had acknowledged: all.
func (k *killLoop) finish(name string) int {
	k.t.Helper()
	fmt.Fprintln(k.stdin[name], "stop")
	out := k.clients[name].wait("every message of "+name+" is acknowledged", 30*time.Second, func(out string) bool {
		return strings.Contains(out, "\ndone ")
	})
	n, err := strconv.Atoi(strings.Fields(out[strings.LastIndex(out, "done "):])[1])
	if err != nil || n == 0 {
		k.t.Fatalf("%s sent %d messages, %v", name, n, err)
	}
	return n
}

// checkSubscriber waits until a subscriber has everything, and checks that nothing
// is missing, out of order in its first arrivals, or, with QoS 2, there twice.
func (k *killLoop) checkSubscriber(name string, sent map[string]int) {
	k.t.Helper()
	c := k.clients[name]
	quiet := 0
	last := -1
	c.wait("everything at "+name, 60*time.Second, func(out string) bool {
		got := arrivals(out)
		n := 0
		for topic := range sent {
			n += distinct(got[topic])
		}
		if n == last {
			quiet++
		}
		last = n
		return n >= sent["kill/one"]+sent["kill/two"]+sent["kill/retained"]
	})
	out, _ := c.out.text()
	for topic, got := range arrivals(out) {
		next, doubled := 0, 0
		for _, n := range got {
			switch {
			case n == next:
				next++
			case n > next:
				k.t.Errorf("%s: %s jumps from %d to %d", name, topic, next-1, n)
				next = n + 1
			default:
				doubled++
			}
		}
		exact := topic == "kill/two" && name != "near1"
		if doubled > 0 && exact {
			k.t.Errorf("%s: %d of %d messages of %s came twice with QoS 2: %v", name, doubled, sent[topic], topic, twice(got))
		}
		k.t.Logf("%s %s: %d messages, %d repeated", name, topic, next, doubled)
	}
}

// arrivals returns the numbers that came on each topic, in order.
func arrivals(out string) map[string][]int {
	got := map[string][]int{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "got" && len(f) == 3 {
			if n, err := strconv.Atoi(f[2]); err == nil {
				got[f[1]] = append(got[f[1]], n)
			}
		}
	}
	return got
}

func distinct(numbers []int) int {
	s := slices.Clone(numbers)
	slices.Sort(s)
	return len(slices.Compact(s))
}

func twice(numbers []int) (more []int) {
	seen := map[int]bool{}
	for _, n := range numbers {
		if seen[n] {
			more = append(more, n)
		}
		seen[n] = true
	}
	return more
}

func (k *killLoop) checkRetained(sent int) {
	k.t.Helper()
	c := k.client("sub", "fresh", "1", "kill/retained")
	c.waitFor(fmt.Sprintf("got kill/retained %d retained", sent-1), 10*time.Second)
}
