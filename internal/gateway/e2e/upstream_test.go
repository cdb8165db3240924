package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"sensorgate/internal/freeport"
)

var (
	upstreamKills = flag.Int("upstream.kills", 8, "how often the gateway is killed under a qos = 2 rule")
	upstreamAway  = flag.Duration("upstream.away", 3*time.Second, "how long the upstream is away")
)

// rig is a gateway and its upstream, Debian's mosquitto, with a ledger at both ends:
// an independent client publishes to the one and notes what was acknowledged, another
// subscribes at the other and notes what came.
type rig struct {
	t               *testing.T
	local, upstream int
	config          string
	gateway         *process
	mosquitto       *process
	mosquittoPath   string
	mosquittoConfig string

	mu       sync.Mutex
	acked    map[string]bool
	tried    map[string]bool
	received []string
}

func newRig(t *testing.T, rules, spool string) *rig {
	s := &rig{t: t, mosquittoPath: need(t, "mosquitto", "mosquitto"), local: freeport.Port(t), upstream: freeport.Port(t),
		acked: map[string]bool{}, tried: map[string]bool{}}
	s.mosquittoConfig = write(t, "mosquitto.conf", fmt.Sprintf(
		"listener %d 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 100\npersistence true\npersistence_location %s/\n",
		s.upstream, t.TempDir()))
	s.startUpstream()
	s.config = write(t, "sensorgate.toml", fmt.Sprintf(`
node = "barn"
data = %q
[broker]
listen = ["tcp://127.0.0.1:%d"]
[bridge.cloud]
urls = ["mqtt://127.0.0.1:%d"]
spool = { %s }
rules = [ %s ]
`, t.TempDir(), s.local, s.upstream, spool, rules))
	s.startGateway()
	return s
}

func (s *rig) startUpstream() {
	s.mosquitto = start(s.t, s.mosquittoPath, "-c", s.mosquittoConfig)
	accepts(s.t, s.upstream)
}

func (s *rig) startGateway() {
	s.gateway = start(s.t, binary, "run", "--config", s.config)
	s.gateway.waitFor("broker ready", 10*time.Second)
}

// kill9 ends the gateway as the kernel's out-of-memory killer does.
func (s *rig) kill9() { s.gateway.stop(syscall.SIGKILL) }

// subscribe notes all that comes to the upstream, over its restarts.
func (s *rig) subscribe(qos byte) {
	s.t.Helper()
	standing := make(chan struct{}, 100)
	o := paho.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", s.upstream)).SetClientID("ledger").
		SetCleanSession(false).SetMaxReconnectInterval(50 * time.Millisecond).SetConnectRetryInterval(50 * time.Millisecond).
		SetConnectRetry(true)
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { s.receive(m) })
	o.SetOnConnectHandler(func(c paho.Client) {
		c.Subscribe("up/#", qos, func(_ paho.Client, m paho.Message) { s.receive(m) }).Wait()
		standing <- struct{}{}
	})
	c := paho.NewClient(o)
	c.Connect()
	select {
	case <-standing:
	case <-time.After(10 * time.Second):
		s.t.Fatal("no subscription at mosquitto")
	}
	s.t.Cleanup(func() { c.Disconnect(0) })
}

func (s *rig) receive(m paho.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, string(m.Payload()))
}

// publisher is one run of an independent client of the gateway. It does not repeat
// anything: what was not acknowledged counts as neither sent nor lost.
func (s *rig) publisher(qos byte) paho.Client {
	o := paho.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", s.local)).SetClientID("publisher").
		SetAutoReconnect(false).SetCleanSession(true)
	c := paho.NewClient(o)
	if tok := c.Connect(); !tok.WaitTimeout(5*time.Second) || tok.Error() != nil {
		s.t.Fatalf("connect to the gateway: %v", tok.Error())
	}
	return c
}

// publish sends numbers under a topic and notes which were acknowledged.
func (s *rig) publish(c paho.Client, topic string, qos byte, from, to int, pause time.Duration) {
	var waiting sync.WaitGroup
	for n := from; n < to && c.IsConnectionOpen(); n++ {
		payload := topic + " " + strconv.Itoa(n)
		s.mu.Lock()
		s.tried[payload] = true
		s.mu.Unlock()
		tok := c.Publish("up/"+topic, qos, false, payload)
		waiting.Go(func() {
			if tok.WaitTimeout(10*time.Second) && tok.Error() == nil && c.IsConnectionOpen() {
				s.mu.Lock()
				s.acked[payload] = true
				s.mu.Unlock()
			}
		})
		time.Sleep(pause)
	}
	waiting.Wait()
}

// settled waits until everything that was acknowledged has come.
func (s *rig) settled() {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		missing := s.missing()
		if len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d acknowledged messages were lost, for instance %q", len(missing), len(s.acked), missing[0])
		}
		time.Sleep(20 * time.Millisecond) // another process: nothing to wait on
	}
	time.Sleep(300 * time.Millisecond) // for doubles that are still on their way
}

func (s *rig) missing() (missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := map[string]bool{}
	for _, p := range s.received {
		got[p] = true
	}
	for p := range s.acked {
		if !got[p] {
			missing = append(missing, p)
		}
	}
	return missing
}

// check looks at the order per topic of first receipts and counts the doubles.
func (s *rig) check() (doubled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, last := map[string]bool{}, map[string]int{}
	for _, p := range s.received {
		if !s.tried[p] {
			s.t.Errorf("received %q, which was never sent", p)
		}
		if seen[p] {
			doubled++
			continue
		}
		seen[p] = true
		topic, number, _ := strings.Cut(p, " ")
		n, _ := strconv.Atoi(number)
		if n < last[topic] {
			s.t.Errorf("%s: %d came after %d", topic, n, last[topic])
		}
		last[topic] = n
	}
	return doubled
}

// The upstream stops, and the gateway is killed meanwhile, twice.
func TestUpstreamAwayAndGatewayKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	s := newRig(t, `{ dir = "out", local = "up/#", qos = 1 }`, `order = "oldest-first"`)
	s.subscribe(1)
	n := 0
	batch := func(count int, pause time.Duration) {
		c := s.publisher(1)
		var both sync.WaitGroup
		for _, topic := range []string{"a", "b", "c"} {
			both.Go(func() { s.publish(c, topic, 1, n, n+count, pause) })
		}
		both.Wait()
		n += count
		c.Disconnect(100)
	}
	batch(100, time.Millisecond)
	s.mosquitto.stop(syscall.SIGTERM) // it keeps the subscriber's session
	away := time.Now()
	for range 2 {
		batch(200, time.Millisecond)
		s.kill9()
		s.startGateway()
	}
	batch(100, time.Millisecond)
	time.Sleep(*upstreamAway - time.Since(away))
	s.startUpstream()
	batch(100, time.Millisecond)
	s.settled()
	if doubled := s.check(); doubled > 512 {
		t.Errorf("%d messages came twice; at most the window of 512 may", doubled)
	} else {
		t.Logf("%d acknowledged, %d received, %d twice", len(s.acked), len(s.received), doubled)
	}
}

// Under a qos = 2 rule the gateway is killed at random moments. Nothing is lost and
// nothing comes twice, because the upstream keeps our session.
func TestExactlyOnceOverKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	s := newRig(t, `{ dir = "out", local = "up/#", qos = 2 }`, `order = "oldest-first"`)
	s.subscribe(2)
	n := 0
	for range *upstreamKills {
		c := s.publisher(1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.publish(c, "a", 1, n, n+400, 200*time.Microsecond)
		}()
		time.Sleep(time.Duration(20+rand.IntN(120)) * time.Millisecond) // the moment of the kill
		s.kill9()
		<-done
		c.Disconnect(0)
		n += 400
		s.startGateway()
	}
	s.settled()
	if doubled := s.check(); doubled > 0 {
		t.Errorf("%d messages came twice", doubled)
	}
	t.Logf("%d kills, %d acknowledged, %d received", *upstreamKills, len(s.acked), len(s.received))
}
