package broker

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/broker/poll"
	"sensorgate/internal/freeport"
	"sensorgate/internal/mqtt"
)

// takenNetwork refuses to listen as often as refuse says, and notes when it was asked.
type takenNetwork struct {
	poll.Kernel
	why syscall.Errno

	mu      sync.Mutex
	refuse  int
	asked   []time.Time
	deafens bool // what opens is no socket: within a bubble nothing may wait for the kernel
}

func (n *takenNetwork) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, time.Now())
	if n.refuse > 0 {
		n.refuse--
		return nil, &net.OpError{Op: "listen", Net: network, Err: n.why}
	}
	if n.deafens {
		return &deafListener{closed: make(chan struct{})}, nil
	}
	return n.Kernel.Listen(ctx, network, address)
}

// deafListener is open, and nobody ever connects.
type deafListener struct {
	once   sync.Once
	closed chan struct{}
}

func (l *deafListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}
func (l *deafListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *deafListener) Addr() net.Addr { return &net.TCPAddr{Port: 1883} }

// mosquitto has the port: the broker works without it and says so, and listens as soon as
// the port is free, with pauses that grow to a minute.
func TestTakenPortIsTriedAgainWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &takenNetwork{why: syscall.EADDRINUSE, refuse: 10, deafens: true}
		b := create(t, func(o *Options) { o.Patient, o.Network = true, network })
		begin := time.Now()
		if err := b.listenAll(t.Context()); err != nil {
			t.Fatalf("a port that is taken ended the broker: %v", err)
		}
		if why := b.NotListening(); len(why) != 1 || !strings.Contains(why[0].Error(), "already taken") {
			t.Errorf("NotListening is %v", why)
		}
		b.awaitListeners(t.Context())
		if why := b.NotListening(); len(why) != 0 {
			t.Errorf("open, and NotListening is %v", why)
		}
		var seconds []int
		for _, at := range network.asked {
			seconds = append(seconds, int(at.Sub(begin).Seconds()))
		}
		if want := []int{0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303}; !slices.Equal(seconds, want) {
			t.Errorf("tried after %v s, want %v", seconds, want)
		}
		b.closeListeners()
		b.serving.Wait()
	})
}

// While the port is taken, what the gateway itself publishes reaches its own subscribers.
func TestBrokerWorksWithoutItsPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := "127.0.0.1:" + strconv.Itoa(freeport.Port(t))
	b := start(t, listening(Listener{Network: "tcp", Address: taken.Addr().String()}, Listener{Network: "tcp", Address: free}),
		func(o *Options) { o.Patient = true })
	came := make(chan string, 1)
	b.Subscribe("a/#", func(m *mqtt.Message) { came <- m.Topic })
	if err := b.Publish(t.Context(), mqtt.Message{Topic: "a/b", QoS: 1, Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if got := <-came; got != "a/b" {
		t.Errorf("came %q", got)
	}
	if got := b.Addrs(); len(got) != 1 || got[0].String() != free {
		t.Errorf("listens on %v, want only %s", got, free)
	}
	if got := fmt.Sprint(b.NotListening()); !strings.Contains(got, taken.Addr().String()) {
		t.Errorf("NotListening is %s", got)
	}
}

// A reload that takes the unlucky listener away ends the attempts.
func TestReloadWithoutTheTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	unlucky := Listener{Network: "tcp", Address: taken.Addr().String()}
	free := "127.0.0.1:" + strconv.Itoa(freeport.Port(t))
	r := startReloaded(t, func(o *Options) { listening(unlucky)(o); o.Patient = true })
	if err := r.reload(listening(Listener{Network: "tcp", Address: free})); err != nil {
		t.Fatal(err)
	}
	if why := r.b.NotListening(); len(why) != 0 {
		t.Errorf("NotListening is %v", why)
	}
	connect(t, r.b, mqtt.Level5, "c").ping()
}

// Only what may pass is waited for; and a broker that is not patient ends.
func TestOnlyWhatMayPassIsWaitedFor(t *testing.T) {
	for why, waits := range map[syscall.Errno]bool{syscall.EADDRINUSE: true, syscall.EADDRNOTAVAIL: true, syscall.EACCES: false} {
		for _, patient := range []bool{true, false} {
			b := create(t, func(o *Options) { o.Patient, o.Network = patient, &takenNetwork{why: why, refuse: 1} })
			if err := b.listenAll(t.Context()); (err == nil) != (waits && patient) {
				t.Errorf("%v, patient %v: %v", why, patient, err)
			}
		}
	}
}
