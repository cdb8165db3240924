package bridge

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/freeport"
	"sensorgate/internal/timing"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// natsServer finds the program. It is not a dependency of ours: make natstest fetches it.
func natsServer(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("NATS_SERVER"); path != "" {
		return path
	}
	path, err := exec.LookPath("nats-server")
	if err != nil {
		t.Skip("skipped: no nats-server here (make natstest fetches and uses it)")
	}
	return path
}

// natsNode is one server of a cluster.
type natsNode struct {
	t          *testing.T
	path, conf string
	mqtt       int
	monitor    int
	cmd        *exec.Cmd
}

func startCluster(t *testing.T) []*natsNode {
	path := natsServer(t)
	var nodes []*natsNode
	var routes []string
	var cluster []int
	for range 3 {
		port := freeport.Port(t)
		cluster = append(cluster, port)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	for i := range 3 {
		n := &natsNode{t: t, path: path, mqtt: freeport.Port(t), monitor: freeport.Port(t)}
		n.conf = filepath.Join(t.TempDir(), "nats.conf")
		text := fmt.Sprintf(`server_name: n%d
listen: "127.0.0.1:%d"
http: "127.0.0.1:%d"
jetstream { store_dir: %q, max_mem: 64MB, max_file: 1GB }
cluster { name: c, listen: "127.0.0.1:%d", routes: [%s] }
mqtt { listen: "127.0.0.1:%d", stream_replicas: 3, ack_wait: "5s", max_ack_pending: 1000 }
`, i, freeport.Port(t), n.monitor, t.TempDir(), cluster[i], strings.Join(routes, ","), n.mqtt)
		if err := os.WriteFile(n.conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.start()
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
	}
	return nodes
}

func (n *natsNode) start() {
	n.t.Helper()
	n.cmd = exec.Command(n.path, "-c", n.conf)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *natsNode) kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
}

func (n *natsNode) url(scheme string) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, n.mqtt) }

// healthy asks the server whether it has caught up with its cluster.
func (n *natsNode) healthy() bool {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", n.monitor), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprintf(c, "GET /healthz HTTP/1.0\r\n\r\n")
	buf := make([]byte, 4096)
	got, _ := c.Read(buf)
	return strings.Contains(string(buf[:got]), " 200 ")
}

// fleetLedger is what an independent subscriber saw.
type fleetLedger struct {
	mu       sync.Mutex
	got      map[string]bool
	presence map[string]string
}

func (f *fleetLedger) receive(_ paho.Client, m paho.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasSuffix(m.Topic(), "/status") {
		f.presence[m.Topic()] = string(m.Payload())
		return
	}
	f.got[m.Topic()+" "+string(m.Payload())] = true
}

func (f *fleetLedger) follow(t *testing.T, nodes []*natsNode) {
	o := paho.NewClientOptions().SetClientID("ledger").SetCleanSession(false).SetConnectRetry(true).
		SetConnectRetryInterval(200 * time.Millisecond).SetMaxReconnectInterval(time.Second).SetConnectTimeout(5 * time.Second)
	for _, n := range nodes {
		o.AddBroker(n.url("tcp"))
	}
	subscribed := make(chan struct{}, 100)
	o.SetOnConnectHandler(func(c paho.Client) {
		if tok := c.Subscribe("fleet/#", 1, f.receive); tok.WaitTimeout(20*time.Second) && tok.Error() == nil {
			subscribed <- struct{}{}
		}
	})
	c := paho.NewClient(o)
	c.Connect()
	select {
	case <-subscribed:
	case <-time.After(60 * time.Second):
		t.Fatal("no subscription at the cluster")
	}
	t.Cleanup(func() { c.Disconnect(0) })
}

// A fleet of gateways on an existing distributed engine: while one node after the other
// is killed, nothing that the cluster acknowledged is lost and every presence is right.
func TestFleetOnNATSCluster(t *testing.T) {
	if testing.Short() || timing.Race {
		t.Skip("skipped: a minute with three servers")
	}
	nodes := startCluster(t)
	for _, n := range nodes {
		within(t, time.Minute, "the cluster is ready", n.healthy)
	}
	ledger := &fleetLedger{got: map[string]bool{}, presence: map[string]string{}}
	ledger.follow(t, nodes)

	const fleet = 20
	var gateways []*gateway
	var stops []func()
	for i := range fleet {
		name := fmt.Sprintf("gw%d", i)
		o := Options{
			Name: "cloud", Node: name, ClientID: name, KeepAlive: 5 * time.Second,
			Status: Status{Topic: "fleet/" + name + "/status", Online: "online", Offline: "offline"},
			Rules:  []Rule{out("m/#", "fleet/"+name+"/#", 1)},
		}
		for k := range nodes {
			o.URLs = append(o.URLs, nodes[(i+k)%len(nodes)].url("mqtt"))
		}
		g := newGateway(t, o)
		gateways = append(gateways, g)
		stops = append(stops, g.run())
	}
	connected := func() bool {
		for _, g := range gateways {
			if !g.bridge.Status().Connected {
				return false
			}
		}
		return true
	}
	within(t, time.Minute, "all gateways are connected", connected)

	published := 0
	publish := func(rounds int) {
		for range rounds {
			for _, g := range gateways {
				g.publish("m/x", fmt.Sprint(published), 1, false)
			}
			published++
			time.Sleep(10 * time.Millisecond) // the pace of the fleet
		}
	}
	publish(50)
	for _, n := range nodes {
		n.kill()
		publish(150)
		n.start()
		within(t, time.Minute, "the killed node is back", n.healthy)
		publish(50)
	}
	within(t, 2*time.Minute, "every spool is empty", func() bool {
		for _, g := range gateways {
			if g.bridge.Status().Waiting > 0 {
				return false
			}
		}
		return true
	})
	within(t, time.Minute, "everything that was acknowledged has come", func() bool { return ledger.missing(fleet, published) == 0 })
	within(t, time.Minute, "all are online", func() bool { return connected() && ledger.count("online") == fleet })
	for i, stop := range stops {
		if i%2 == 0 {
			gateways[i].bridge.SetOffline(true) // without a word: the will speaks
		} else {
			stop()
		}
	}
	within(t, time.Minute, "all are offline", func() bool { return ledger.count("offline") == fleet })
	t.Logf("%d gateways, %d messages each, three nodes killed one after the other: %d missing", fleet, published, ledger.missing(fleet, published))
}

func (f *fleetLedger) missing(fleet, published int) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range fleet {
		for k := range published {
			if !f.got[fmt.Sprintf("fleet/gw%d/x %d", i, k)] {
				n++
			}
		}
	}
	return n
}

func (f *fleetLedger) count(state string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.presence {
		if s == state {
			n++
		}
	}
	return n
}
