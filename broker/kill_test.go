package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// TestMain runs the broker instead of the tests in the child of TestKill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SENSORGATE_TEST_STORE"); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if what := os.Getenv(envClients); what != "" {
		if err := holdClients(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveChild(dir string) error {
	o := journal.Options{Dir: dir, Size: 64 << 20, FreeFloor: 1, SeqStep: SeqStep}
	if slow := os.Getenv("SENSORGATE_TEST_SYNC"); slow != "" {
		d, err := time.ParseDuration(slow)
		if err != nil {
			return err
		}
		o.FS = slowFS{disk.OS{}, d}
	}
	j, err := journal.Open(o)
	if err != nil {
		return err
	}
	b, err := New(Options{Journal: j, Listeners: []Listener{{Network: "tcp", Address: "127.0.0.1:0"}}})
	if err != nil {
		return err
	}
	go func() { _ = j.Run(context.Background()) }()
	go func() { fmt.Println(b.Addrs()[0]) }()
	return b.Run(context.Background())
}

// child is a broker that can be killed.
type child struct {
	cmd  *exec.Cmd
	addr string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SENSORGATE_TEST_STORE="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("emulated, and the kernel does not know how to start another one (binfmt_misc)")
	} else if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal("the child says nothing:", err)
	}
	return &child{cmd, strings.TrimSpace(line)}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// exactly is one end of a QoS 2 exchange that outlives its connections.
type exactly struct {
	t    *testing.T
	id   string
	nc   net.Conn
	in   []byte
	gone bool
	left int // packets until it leaves its connection as it is; 0: it stays
}

// reconnect returns a new connection to the same session.
func (e *exactly) reconnect(addr string, wantPresent bool) {
	e.t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.nc, e.in, e.gone = nc, nil, false
	e.send(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: e.id, KeepAlive: 60}))
	f := e.next()
	if f.Type != mqtt.CONNACK || f.Body[1] != 0 {
		e.t.Fatalf("%s: CONNACK % x", e.id, f.Raw)
	}
	if present := f.Body[0] == 1; present != wantPresent {
		e.t.Fatalf("%s: session present %v, want %v", e.id, present, wantPresent)
	}
}

func (e *exactly) send(b []byte) {
	if _, err := e.nc.Write(b); err != nil {
		e.gone = true
	}
}

// next returns a packet; its Raw is nil when the connection is gone.
func (e *exactly) next() mqtt.Frame {
	buf := make([]byte, 4096)
	for !e.gone {
		f, n, err := mqtt.NextFrame(e.in, mqtt.MaxRemaining)
		if err != nil {
			e.t.Fatal(err)
		}
		if f.Raw != nil {
			e.in = e.in[n:]
			if e.left > 0 {
				e.left--
				e.gone = e.left == 0
			}
			return f
		}
		_ = e.nc.SetReadDeadline(time.Now().Add(time.Minute))
		m, err := e.nc.Read(buf)
		if isTimeout(err) {
			e.t.Errorf("%s: nothing for a minute", e.id)
		}
		e.in = append(e.in, buf[:m]...)
		e.gone = err != nil && m == 0
	}
	return mqtt.Frame{}
}

type outstanding struct {
	n        int
	released bool // PUBREC came
}

// speak publishes numbers up to n at QoS 2, begins with what is outstanding from the
// connection before, and ends early when the connection is gone.
func (e *exactly) speak(next *int, n int, open *[]outstanding) {
	packet := func(o outstanding, dup bool) []byte {
		return mqtt.AppendPublish(nil, 4, mqtt.PublishFlags(2, dup, false), "k/1", uint16(o.n%65535)+1, nil,
			binary.BigEndian.AppendUint32(nil, uint32(o.n)))
	}
	for _, o := range *open { // [MQTT-4.4.0-1]
		if o.released {
			e.send(mqtt.AppendAck(nil, mqtt.PUBREL, 4, uint16(o.n%65535)+1, 0))
		} else {
			e.send(packet(o, true))
		}
	}
	for !e.gone && (*next < n || len(*open) > 0) {
		for *next < n && len(*open) < 10 {
			o := outstanding{n: *next}
			*next++
			*open = append(*open, o)
			e.send(packet(o, false))
		}
		f := e.next()
		if f.Raw == nil {
			return
		}
		id := binary.BigEndian.Uint16(f.Body)
		for i := range *open {
			if uint16((*open)[i].n%65535)+1 != id {
				continue
			}
			if f.Type == mqtt.PUBREC {
				(*open)[i].released = true
				e.send(mqtt.AppendAck(nil, mqtt.PUBREL, 4, id, 0))
			} else if f.Type == mqtt.PUBCOMP {
				*open = append((*open)[:i], (*open)[i+1:]...)
			}
			break
		}
	}
}

// listen receives until it has n or the connection is gone.
func (e *exactly) listen(got *[]int, n int, held map[uint16]bool) {
	for len(*got) < n || len(held) > 0 {
		f := e.next()
		switch f.Type {
		case mqtt.PUBLISH:
			var p mqtt.Publish
			if err := mqtt.ParsePublish(f, 4, &p); err != nil {
				e.t.Error(err)
			}
			if !held[p.ID] { // method B of 4.3.3
				held[p.ID] = true
				*got = append(*got, number(p))
			}
			e.send(mqtt.AppendAck(nil, mqtt.PUBREC, 4, p.ID, 0))
		case mqtt.PUBREL:
			id := binary.BigEndian.Uint16(f.Body)
			delete(held, id)
			e.send(mqtt.AppendAck(nil, mqtt.PUBCOMP, 4, id, 0))
		default:
			if f.Raw == nil {
				return
			}
		}
	}
}

// TestKill: QoS 2 through a broker that is killed again and again is neither lost nor
// doubled nor out of order, and a session is there after each kill.
func TestKill(t *testing.T) {
	kills, n := 6, 1500
	if testing.Short() {
		kills, n = 2, 300
	}
	dir := t.TempDir()
	c := startChild(t, dir)
	defer func() { c.kill() }()
	pub, sub := exactPair(t, c.addr)
	var got []int
	var open []outstanding
	held := map[uint16]bool{}
	next := 0
	for life := 0; ; life++ {
		last := life == kills
		want := n * (life + 1) / (kills + 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			sub.listen(&got, n, held)
		}()
		if last {
			pub.speak(&next, n, &open)
			<-done
			break
		}
		// It is killed when some of this life's messages are acknowledged, in mid-flight.
		victim := c.cmd.Process
		killer := time.AfterFunc(time.Duration(20+13*life)*time.Millisecond, func() { _ = victim.Kill() })
		pub.speak(&next, want, &open)
		<-done
		killer.Stop()
		c.kill()
		c = startChild(t, dir)
		sub.reconnect(c.addr, true)
		pub.reconnect(c.addr, true)
	}
	for i, v := range got {
		if v != i {
			t.Fatalf("message %d came when %d was due, of %d", v, i, len(got))
		}
	}
	if len(got) != n {
		t.Errorf("%d messages, want %d", len(got), n)
	}
}
