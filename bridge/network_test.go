package bridge

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/timing"
)

// badLine is a mosquitto in a network namespace of its own, behind a line that the test
// spoils.
type badLine struct {
	t    *testing.T
	name string
	addr string
	veth string
}

// newBadLine needs root, iproute2, nftables and a kernel that lets us.
func newBadLine(t *testing.T, number int) *badLine {
	t.Helper()
	if testing.Short() || timing.Race {
		t.Skip("skipped: real time on real sockets; make bridgesim runs it")
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: only root can make network namespaces")
	}
	for _, program := range []string{"ip", "nft", "tc", "mosquitto"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: no %s here (Debian packages iproute2, nftables, mosquitto)", program)
		}
	}
	name := fmt.Sprintf("sgtest-%d-%d", os.Getpid(), number)
	b := &badLine{t: t, name: name, veth: fmt.Sprintf("sg%d-%d", os.Getpid()%100000, number)}
	subnet := fmt.Sprintf("10.213.%d", number)
	b.addr = subnet + ".2:1883"
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("skipped: no network namespaces here: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	for _, c := range []string{
		"ip link add " + b.veth + " type veth peer name up0 netns " + name,
		"ip addr add " + subnet + ".1/24 dev " + b.veth,
		"ip link set " + b.veth + " up",
	} {
		b.run(c)
	}
	for _, c := range []string{"ip addr add " + subnet + ".2/24 dev up0", "ip link set up0 up", "ip link set lo up"} {
		b.inside(c)
	}
	conf := t.TempDir() + "/mosquitto.conf"
	if err := os.WriteFile(conf, []byte("listener 1883 0.0.0.0\nallow_anonymous true\nmax_queued_messages 0\nuser root\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", name, "mosquitto", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return b
}

func (b *badLine) run(command string) {
	b.t.Helper()
	f := strings.Fields(command)
	if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func (b *badLine) inside(command string) {
	b.t.Helper()
	b.run("ip netns exec " + b.name + " " + command)
}

// drop throws away what comes in on the far side and fits the rule; "" repairs the line.
func (b *badLine) drop(rule string) {
	b.t.Helper()
	if rule == "" {
		b.inside("nft delete table ip bad")
		return
	}
	b.inside("nft add table ip bad")
	b.inside("nft add chain ip bad in { type filter hook input priority 0 ; }")
	b.inside("nft add rule ip bad in iifname up0 " + rule)
}

// subscribe counts what mosquitto delivers, from inside the namespace, where the line is
// good. The lines come in the order of delivery.
func (b *badLine) subscribe() (lines func() []string) {
	b.t.Helper()
	file := b.t.TempDir() + "/got"
	out, err := os.Create(file)
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("ip", "netns", "exec", b.name, "mosquitto_sub", "-t", "#", "-q", "1", "-F", "%t %l %x")
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(b.t, "the subscription stands", func() bool {
		exec.Command("ip", "netns", "exec", b.name, "mosquitto_pub", "-t", "probe", "-m", "x").Run()
		text, _ := os.ReadFile(file)
		return len(text) > 0
	})
	return func() (got []string) {
		text, _ := os.ReadFile(file)
		for _, l := range strings.Split(string(text), "\n") {
			if l != "" && !strings.HasPrefix(l, "probe ") {
				got = append(got, l)
			}
		}
		return got
	}
}

func (b *badLine) gateway() *gateway {
	g := newGateway(b.t, Options{
		Name: "up", Node: "barn", ClientID: "barn", URLs: []string{"mqtt://" + b.addr}, KeepAlive: 4 * time.Second,
		Rules: []Rule{out("m/#", "m/#", 1)},
	})
	b.t.Cleanup(g.run())
	within(b.t, 20*time.Second, "connected", func() bool { return g.bridge.Status().Connected })
	return g
}

// A black hole: no reset, no unreachable, just nothing.
func TestNetworkBlackHole(t *testing.T) {
	t.Parallel()
	b := newBadLine(t, 1)
	got := b.subscribe()
	g := b.gateway()
	b.drop("drop")
	start := time.Now()
	for i := range 20 {
		g.publish("m/a", fmt.Sprint(i), 1, false)
	}
	within(t, 20*time.Second, "the loss is noticed", func() bool { return !g.bridge.Status().Connected })
	if took := time.Since(start); took > 7*time.Second {
		t.Errorf("noticed after %v, want 1.5 keep-alives of 4 s", took)
	}
	b.drop("")
	within(t, 40*time.Second, "all has come", func() bool { return len(distinct(got())) == 20 && g.bridge.Status().Waiting == 0 })
}

// One packet in five is lost.
func TestNetworkLoss(t *testing.T) {
	t.Parallel()
	b := newBadLine(t, 2)
	got := b.subscribe()
	g := b.gateway()
	b.drop("numgen random mod 100 < 20 drop")
	for i := range 300 {
		g.publish("m/a", fmt.Sprintf("%05d", i), 1, false)
		time.Sleep(2 * time.Millisecond) // the pace of a busy gateway
	}
	within(t, 60*time.Second, "all has come", func() bool { return len(distinct(got())) == 300 && g.bridge.Status().Waiting == 0 })
	last := ""
	for _, l := range distinct(got()) {
		if l < last {
			t.Errorf("%s came after %s", l, last)
		}
		last = l
	}
}

// A message that takes longer than silence may last is no reason to hang up: the line is
// slow, not dead.
func TestNetworkSlowLine(t *testing.T) {
	t.Parallel()
	b := newBadLine(t, 3)
	got := b.subscribe()
	g := b.gateway()
	since := g.bridge.Status().Since
	b.run("tc qdisc add dev " + b.veth + " root tbf rate 64kbit burst 4kb latency 500ms")
	start := time.Now()
	g.publish("m/large", strings.Repeat("x", 100_000), 1, false)
	g.publish("m/small", "x", 1, false)
	within(t, 60*time.Second, "both have come", func() bool { return len(got()) == 2 && g.bridge.Status().Waiting == 0 })
	if took := time.Since(start); took < 7*time.Second {
		t.Errorf("100 kB came in %v: the line is not slow and this test proves nothing", took)
	}
	if s := g.bridge.Status(); !s.Connected || s.Since != since {
		t.Errorf("the connection was given up meanwhile: %+v", s)
	}
}

// distinct leaves out repetitions.
func distinct(lines []string) (first []string) {
	seen := map[string]bool{}
	for _, l := range lines {
		if !seen[l] {
			seen[l] = true
			first = append(first, l)
		}
	}
	return first
}
