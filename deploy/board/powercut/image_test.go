package powercut

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sensorgate/deploy/board/crash"
	"sensorgate/internal/mqtt"
)

// extra is how many messages each publisher begins after the cut: they use packet ids again.
const extra = 3

// image is a gateway that was started on what a cut left.
type image struct {
	t      *testing.T
	r      *run
	dir    string
	led    *ledger         // of before the cut, and from then on
	ctx    context.Context // of all clients and upstreams
	leave  context.CancelFunc
	cmd    *exec.Cmd
	ended  chan struct{}
	out    lockedBuffer
	broker string // its socket
	config string
}

// open makes the image of a cut, lets everybody go on with it, and returns what is wrong.
func (r *run) open(t *testing.T, c crash.Cut) []string {
	dir, err := os.MkdirTemp("", "img") // short: it holds UNIX sockets
	if err != nil {
		return []string{err.Error()}
	}
	defer os.RemoveAll(dir)
	if err := r.disk(dir, c); err != nil {
		return []string{err.Error()}
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	i := &image{t: t, r: r, dir: dir, led: r.led.at(r.log[c.At-1].End), ctx: ctx, leave: leave, broker: filepath.Join(dir, "mqtt"), config: filepath.Join(dir, "sensorgate.toml")}
	if err := i.try(); err != nil {
		i.led.faultf("%v", err)
	}
	faults := i.led.judge()
	if len(faults) > 0 {
		faults = append(faults, i.out.String())
	}
	return faults
}

// disk makes the image of a cut and takes the store out of it, as mounting would show it.
func (r *run) disk(dir string, c crash.Cut) error {
	disk, files := filepath.Join(dir, "disk"), filepath.Join(dir, "files")
	if err := crash.Image(r.path("data.start"), disk, r.log, c); err != nil {
		return err
	}
	if err := os.Mkdir(files, 0o700); err != nil {
		return err
	}
	if r.fs == "ext4" {
		return crash.Extract(disk, files)
	}
	return crash.ExtractMounted(r.fs, disk, files)
}

// try starts the gateway and everybody around it, and waits until nothing is on its way any more.
func (i *image) try() error {
	want := map[string]int{topicExact: extra, topicBulk: extra, topicOnce: extra, topicKept: extra, topicCommand: extra, topicOrder: extra}
	for topic, msgs := range i.led.msgs {
		want[topic] += len(msgs)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	u := &upstream{}
	u.c = client{led: i.led, p: i.led.parties[upstreamName], more: 2 * extra}
	go u.serve(i.ctx, l)
	gone, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts yet
	if err != nil {
		return err
	}
	defer gone.Close()
	if err := i.start(l.Addr().String(), gone.Addr().String()); err != nil {
		return err
	}
	defer i.kill()
	if err := i.retained(); err != nil {
		return err
	}
	var clients []*client
	for name := range i.led.parties {
		if name != upstreamName && name != goneName && name != behindName {
			clients = append(clients, i.client(name))
		}
	}
	if !i.led.wait(giveUp, func() bool { return i.led.complete(want) || len(i.led.faults) > 0 }) {
		i.led.mu.Lock()
		defer i.led.mu.Unlock()
		return fmt.Errorf("it does not come to rest: %d of %d commands, %d of %d messages", len(i.led.msgs[topicCommand]), want[topicCommand], len(i.led.msgs[topicExact]), want[topicExact])
	}
	for _, c := range clients {
		if err := c.ping(); err != nil {
			return err
		}
	}
	waiting, dropped, err := i.counts()
	if err != nil {
		return err
	}
	if err := i.spool(gone, waiting, dropped); err != nil {
		return err
	}
	return i.queue()
}

// client makes a party connect.
func (i *image) client(name string) *client {
	p := i.led.parties[name]
	c := &client{led: i.led, p: p, net: "unix", addr: i.broker, more: extra * len(p.topics), pong: make(chan struct{})}
	go c.run(i.ctx)
	return c
}

// complete reports whether so many messages were begun, and nothing is on its way any more.
func (l *ledger) complete(want map[string]int) bool {
	for topic, n := range want {
		if len(l.msgs[topic]) < n {
			return false
		}
	}
	return l.settled()
}

func (i *image) start(upstream, gone string) error {
	if err := os.WriteFile(i.config, []byte(config("unix://"+i.broker, filepath.Join(i.dir, "files", "store"), upstream, gone)), 0o600); err != nil {
		return err
	}
	i.cmd = exec.Command(i.r.gateway, "run", "--config", i.config)
	i.cmd.Stderr, i.cmd.Stdout = &i.out, &i.out
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := i.cmd.Start(); err != nil {
		return err
	}
	i.ended = make(chan struct{})
	go func() {
		_ = i.cmd.Wait()
		close(i.ended)
	}()
	return nil
}

func (i *image) kill() {
	_ = i.cmd.Process.Kill()
	<-i.ended
}

// dial waits until the gateway listens.
func (i *image) dial() (nc net.Conn, err error) {
	deadline := time.After(giveUp)
	for {
		if nc, err = net.Dial("unix", i.broker); err == nil {
			return nc, nil
		}
		select {
		case <-i.ended:
			return nil, fmt.Errorf("the gateway does not start: %v", i.cmd.ProcessState)
		case <-deadline:
			return nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ping waits until the gateway has answered: what it had to say before is there then.
func (c *client) ping() error {
	c.led.mu.Lock()
	_, err := c.nc.Write([]byte{byte(mqtt.PINGREQ) << 4, 0})
	c.led.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-c.pong:
		return nil
	case <-time.After(giveUp):
		return fmt.Errorf("%s: no answer to PINGREQ", c.p.name)
	}
}

// retained asks for what is retained, before anybody else is there to change it. A message of its own shows that all
// has come.
func (i *image) retained() error {
	c := &client{led: newLedger(nil), p: &party{name: "probe", level: mqtt.Level5}, net: "unix", addr: i.broker}
	var err error
	if c.nc, err = i.dial(); err != nil {
		return err
	}
	defer c.nc.Close()
	c.rd = &frames{c: c.nc}
	out := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, CleanStart: true, ClientID: "probe"})
	out = mqtt.AppendSubscribe(out, mqtt.Level5, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: topicKept, QoS: 0}, {Filter: "probe/end"}}})
	out = mqtt.AppendPublish(out, mqtt.Level5, 0, "probe/end", 0, nil, payload("probe/end", 1, false))
	if err := c.send(out); err != nil {
		return err
	}
	for kept := 0; ; {
		if err := c.nc.SetReadDeadline(time.Now().Add(giveUp)); err != nil {
			return err
		}
		f, err := c.rd.next()
		if err != nil {
			return err
		}
		var m mqtt.Publish
		if f.Type != mqtt.PUBLISH {
			continue
		}
		if err := mqtt.ParsePublish(f, mqtt.Level5, &m); err != nil {
			return err
		}
		if string(m.Topic) == "probe/end" {
			i.led.checkRetained(topicKept, kept)
			return nil
		}
		if kept, err = number(m.Payload); err != nil {
			return err
		}
	}
}

// counts compares what the gateway counts with what happened: no damage, nothing dropped for the upstream that is
// there, and each message for the one that never was waits or is counted as dropped. It returns how many.
func (i *image) counts() (waiting, dropped uint64, err error) {
	var status struct {
		Journal struct {
			Damaged uint64
			Error   string
		}
		Upstreams []struct {
			Name             string
			Waiting, Dropped uint64
		}
	}
	deadline := time.Now().Add(giveUp)
	for {
		b, err := exec.Command(i.r.gateway, "status", "--json", "--config", i.config).Output()
		if err != nil {
			return 0, 0, fmt.Errorf("status: %w", err)
		}
		if err := json.Unmarshal(b, &status); err != nil {
			return 0, 0, err
		}
		have := map[string]uint64{}
		for _, u := range status.Upstreams {
			have[u.Name+" waiting"], have[u.Name+" dropped"] = u.Waiting, u.Dropped
		}
		have["damaged"] = status.Journal.Damaged
		i.led.mu.Lock()
		sent := uint64(len(i.led.msgs[topicExact]))
		i.led.mu.Unlock()
		want := map[string]uint64{"cloud waiting": 0, "cloud dropped": 0, "damaged": 0, "gone waiting": have["gone waiting"], "gone dropped": sent - have["gone waiting"]}
		if maps.Equal(have, want) {
			return have["gone waiting"], have["gone dropped"], nil
		}
		if time.Now().After(deadline) {
			return 0, 0, fmt.Errorf("counts: %v, want %v", have, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
