package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/bridge"
	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/sdnotify"
)

// world is one run of a script.
type world struct {
	s       script
	dir     string
	rnd     *rand.Rand
	net     *network
	disk    *simDisk
	up      *upstream
	clients []*client
	meters  *meters
	led     *ledger
	slog    *slog.Logger
	wg      sync.WaitGroup

	mu      sync.Mutex
	gw      *gateway.Gateway
	stop    context.CancelFunc
	kill    bool // the next power-off is a kill of the process
	again   bool // the gateway is stopped to be started again
	runs    int  // of the gateway, begun
	ended   bool
	harmed  bool            // the disk was harmed: counts may be "at least"
	found   map[string]bool // damage that runs came upon
	lost    uint64          // to damage, as far as starts reported it
	flips   uint64          // bits that were damaged
	flipped map[string]bool // files in which one was, since the last start
	full    fullness
	least   int64 // how much room there was at worst
	acl     int
	off     time.Duration // of the wall clock
	synced  bool
	events  []string // what happened, with times
	start   time.Time
}

// play runs a script and returns what broke a promise, and the log of what happened.
func play(t *testing.T, s script) (faults, events []string) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{s: s, dir: dir, rnd: rand.New(rand.NewPCG(s.Seed, 3)), net: newNetwork(), led: newLedger(), start: time.Now(), synced: true, least: s.Size, flipped: map[string]bool{}}
		w.slog = slog.New(slog.DiscardHandler)
		if *verbose || *keep != "" {
			w.slog = slog.New(slog.NewTextHandler(logWriter{w}, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime}))
		}
		w.slog = slog.New(journalLog{w.slog.Handler(), w})
		w.run(t)
		faults, events = w.led.faults, w.events
	})
	return faults, events
}

type logWriter struct{ w *world }

func (l logWriter) Write(b []byte) (int, error) {
	l.w.log("gateway: %s", strings.TrimSpace(string(b)))
	return len(b), nil
}

func noTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func (w *world) log(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf("%v ", time.Since(w.start))+fmt.Sprintf(format, args...))
}

func (w *world) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// goUnlessOver starts goroutines that the end of the world waits for.
func (w *world) goUnlessOver(fs ...func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range fs {
		if !w.ended {
			w.wg.Go(f)
		}
	}
	return !w.ended
}

func (w *world) run(t *testing.T) {
	w.disk = newDisk(rand.New(rand.NewPCG(w.s.Seed, 4)))
	w.disk.slow = w.s.SlowSync
	w.disk.powerOff = func() {
		w.led.unsureSince(w.window())
		w.net.powerOff()
		w.mu.Lock()
		stop := w.stop
		w.mu.Unlock()
		if stop != nil {
			stop()
		}
	}
	w.up = newUpstream(w)
	w.meters = newMeters(w)
	for _, r := range upRules {
		w.led.asking("up", r.Local, r.QoS)
	}
	for i := range w.s.Clients {
		w.clients = append(w.clients, newClient(w, i, w.rnd))
	}
	w.writeACL(0)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		w.supervise()
	}()
	time.Sleep(500 * time.Millisecond)
	for _, r := range upRules {
		w.led.subscribed("up", r.Local)
	}
	for _, e := range w.s.Events {
		time.Sleep(e.At - time.Since(w.start))
		w.log("%s %s %d", e.Who, e.Do, e.N)
		w.do(e)
		// Two connections of one moment race, in life as here, and nothing says whose CONNECT the broker
		// sees first. The ledger has to know, so each gets there before the next begins.
		synctest.Wait()
	}
	w.calm()
	w.settle()
	w.finish()
	<-gone
	w.net.powerOff() // ends what is still connected
	w.wg.Wait()
	w.judge()
}

// do carries out one event.
func (w *world) do(e event) {
	switch e.Who {
	case "disk":
		w.doDisk(e)
	case "up":
		w.doUp(e)
	case "gateway":
		w.doGateway(e)
	case "device":
		w.meters.read(1 + e.N%5)
	default:
		var i int
		_, _ = fmt.Sscanf(e.Who, "c%d", &i)
		w.doClient(w.clients[i%len(w.clients)], e)
	}
}

func (w *world) doClient(c *client, e event) {
	switch e.Do {
	case "connect":
		c.connect(false)
	case "connect-clean":
		c.connect(true)
	case "publish":
		c.publish(1+e.N, byte(e.N%3), 10)
	case "publish-big":
		c.publish(1+e.N, byte(1+e.N%2), 3000)
	case "flood":
		c.publish(100+e.N, 1, 2000)
	case "drop":
		c.drop()
	case "disconnect":
		c.disconnect()
	case "half-open":
		c.halfOpen()
	case "stall":
		c.stall(true)
	case "resume":
		c.stall(false)
	case "lazy":
		c.setLazy(time.Duration(e.N) * time.Millisecond)
	case "unsubscribe":
		c.unsubscribe()
	case "subscribe":
		c.subscribe()
	case "retain", "unretain":
		c.retain(e.N, e.Do == "unretain")
	case "forbidden":
		c.forbidden()
	case "hostile":
		c.hostile(e.N)
	case "many-ids":
		c.manyIDs(e.N)
	case "will":
		c.setWill(e.N)
	case "session":
		c.setSession(e.N)
	case "publish-expiring":
		c.publishExpiring(e.N)
	case "away":
		c.away(time.Duration(e.N) * time.Millisecond)
	}
}

func (w *world) doDisk(e event) {
	switch e.Do {
	case "cut", "kill":
		w.mu.Lock()
		w.kill = e.Do == "kill"
		w.mu.Unlock()
		w.disk.cutAfter(e.N)
	case "slow":
		w.disk.set(func(s *simDisk) { s.slow = time.Duration(e.N) * time.Millisecond })
	case "eio":
		w.harm()
		w.disk.set(func(s *simDisk) { s.d.EIO = float64(e.N) / 1000 })
		time.AfterFunc(time.Second, func() { w.disk.set(func(s *simDisk) { s.d.EIO = 0 }) })
	case "full":
		room := w.s.Segment * int64(4+e.N)
		w.least = min(w.least, room)
		w.disk.set(func(s *simDisk) { s.d.Quota = room })
		time.AfterFunc(3*time.Second, func() { w.disk.set(func(s *simDisk) { s.d.Quota = 0 }) })
	case "flip":
		w.flip(e.N)
	}
}

// flip damages one bit of a file, but none of a file in which no start has looked for the last one: what two bits of one
// commit can cost is not promised.
func (w *world) flip(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk.set(func(s *simDisk) {
		names := s.d.Files(".seg")
		if len(names) == 0 {
			return
		}
		name := names[n%len(names)]
		size := len(s.d.Data(name)) * 8
		if size == 0 || w.flipped[name] {
			return
		}
		w.harmed, w.flipped[name] = true, true
		w.flips++
		s.d.Flip(name, int(uint64(n)*7919%uint64(size))) // 32 bits are too few for the product
	})
}

func (w *world) harm() {
	w.mu.Lock()
	w.harmed = true
	w.mu.Unlock()
}

func (w *world) doUp(e event) {
	switch e.Do {
	case "reset":
		w.up.reset()
	case "refuse":
		w.up.refuseFor(time.Duration(e.N) * time.Millisecond)
	case "half-open":
		w.up.halfOpen()
	case "deaf":
		w.up.deafFor(time.Duration(e.N) * time.Millisecond)
	case "command":
		w.up.command(1 + e.N)
	}
}

func (w *world) doGateway(e event) {
	w.mu.Lock()
	g, stop := w.gw, w.stop
	w.mu.Unlock()
	switch e.Do {
	case "clock":
		w.stepClock(e.N)
		return
	}
	if g == nil {
		return
	}
	switch e.Do {
	case "restart":
		w.mu.Lock()
		w.again = true
		w.mu.Unlock()
		w.meters.read(3) // what is measured while it stops is published too
		stop()
	case "reload":
		w.writeACL(w.acl + 1)
		go func() {
			if err := g.Reload(); err != nil {
				w.log("reload: %v", err)
			}
		}()
	}
}

// lives returns how many runs of the gateway have begun.
func (w *world) lives() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs
}

// window is how long what nobody waits for may take to be on the disk: the next commit, behind one that is under way.
func (w *world) window() (d time.Duration) {
	w.disk.set(func(s *simDisk) { d = w.s.Commit + 10*max(s.slow, w.s.SlowSync) + s.busy() + 500*time.Millisecond })
	return d + w.full.since(time.Now())
}

func (w *world) wall() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.off)
}

func (w *world) timeSynced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.synced
}

// stepClock is a wall clock that is found to be wrong and set, or a time server that is 20 years ahead for two seconds.
// Nothing may be dropped for its age because of it: a run takes minutes.
func (w *world) stepClock(n int) {
	const year = 365 * 24 * time.Hour
	set := func(off time.Duration, synced bool) {
		w.mu.Lock()
		w.off, w.synced = off, synced
		w.mu.Unlock()
	}
	switch n % 4 {
	case 0: // a board without a battery starts in the past
		set(-40*year, false)
	case 1:
		set(-30*24*time.Hour, false)
	case 2:
		set(20*year, true)
		time.AfterFunc(2*time.Second, func() { set(0, true) })
	default: // and learns the time
		set(0, true)
	}
}

// writeACL writes who may what: everything but x/, in one of several forms.
func (w *world) writeACL(n int) {
	w.acl = n
	text := "topic readwrite t/#\ntopic readwrite cmd/#\ntopic readwrite r/#\ntopic readwrite w/#\ntopic read n/#\n"
	if n%2 == 1 {
		text += "topic read sys/#\n"
	}
	err := os.WriteFile(filepath.Join(w.dir, "new"), []byte(text), 0o600)
	if err == nil { // in one step, as editors do: a reload must not see half a file
		err = os.Rename(filepath.Join(w.dir, "new"), filepath.Join(w.dir, "acl"))
	}
	if err != nil {
		panic(err)
	}
}

// upRules is what goes to the upstream.
var upRules = []bridge.Rule{
	{Out: true, Local: "t/+/1", Remote: "t/+/1", QoS: 1},
	{Out: true, Local: "t/+/2", Remote: "t/+/2", QoS: 2},
	{Out: true, Local: "w/+/1", Remote: "w/+/1", QoS: 1},
	{Out: true, Local: "w/+/2", Remote: "w/+/2", QoS: 2},
	{Out: true, Local: "n/d1/v", Remote: "n/d1/v", QoS: 1},
	{Out: true, Local: "n/d2/v", Remote: "n/d2/v", QoS: 2},
}

func (w *world) config() *config.Config {
	c := w.plainConfig()
	if w.s.has("device", "") {
		c.Devices = w.meters.config()
	}
	return c
}

func (w *world) plainConfig() *config.Config {
	return &config.Config{
		Node: "n", Data: "d",
		Journal: journal.Options{Size: w.s.Size, Commit: w.s.Commit, FreeFloor: -1},
		Broker:  broker.Options{Listeners: []broker.Listener{{Network: "unix", Address: "sim"}}, ACL: filepath.Join(w.dir, "acl")},
		Bridges: []config.Bridge{{
			Spool: journal.Limits{Full: journal.DropOldest, Age: 14 * 24 * time.Hour},
			Options: bridge.Options{
				Name: "up", Node: "n", URLs: []string{"mqtt://up:1883"}, ClientID: "gw", Protocol: "5", KeepAlive: 10 * time.Second,
				Status: bridge.Status{Topic: "n/status", Online: "online", Offline: "offline"},
				Rules:  append([]bridge.Rule{{In: true, Local: "cmd/#", Remote: "cmd/#", QoS: 2, Queue: true}}, upRules...),
			},
		}},
	}
}

// supervise is what systemd and the mains are for a gateway: it starts it, and again when it has ended.
func (w *world) supervise() {
	for {
		err := w.live()
		w.led.runEnded()
		w.led.runOver()
		w.mu.Lock()
		over, kill, again := w.ended, w.kill, w.again
		w.again = false
		w.mu.Unlock()
		off := w.disk.isOff()
		w.log("gateway ended: off %v, kill %v: %v", off, kill, err)
		switch {
		case off:
			w.net.powerOff()
			time.Sleep(time.Duration(50+w.rnd.IntN(300)) * time.Millisecond)
			w.disk.on(kill)
			w.mu.Lock()
			w.kill = false
			w.mu.Unlock()
		case over:
			return
		case again && err == nil:
		case w.unhealthy():
			w.led.unsureSince(time.Hour)
			time.Sleep(time.Second)
		default:
			w.led.fault("the gateway ended by itself: %v", err)
			time.Sleep(5 * time.Second)
			if len(w.led.faults) > 5 {
				return
			}
		}
		w.net.powerOff()
		w.net.powerOn()
	}
}

// unhealthy reports whether the disk has a reason of its own to fail.
func (w *world) unhealthy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	var bad bool
	w.disk.set(func(s *simDisk) { bad = s.d.EIO > 0 || s.d.Quota > 0 })
	return bad || w.harmed
}

// live is one run of the gateway.
func (w *world) live() error {
	w.full.forget()
	silent, err := sdnotify.Open(func(string) string { return "" }, w.slog)
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{
		Config: w.config(), Load: func() (*config.Config, error) { return w.config(), nil },
		Hardware: gateway.NewHardware(w.slog), Log: w.slog, Version: "sim", Notify: silent,
		Around: gateway.Surroundings{Disk: w.disk, SegmentSize: w.s.Segment, Network: w.net, Dial: w.up.dial, Wall: w.wall, TimeSynced: w.timeSynced},
	})
	if err != nil {
		w.disk.set(func(s *simDisk) { s.d.Locked = false })
		return fmt.Errorf("start: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w.mu.Lock()
	w.gw, w.stop = g, stop
	w.runs++
	clear(w.flipped)
	if w.ended || w.disk.isOff() { // off since its last look at the disk: nobody else ends it
		stop()
	}
	w.mu.Unlock()
	err = g.Run(ctx)
	w.mu.Lock()
	w.gw = nil
	w.mu.Unlock()
	w.disk.set(func(s *simDisk) { s.d.Locked = false })
	return err
}

// calm ends all faults: from here on everything must become right.
func (w *world) calm() {
	w.log("calm")
	w.disk.set(func(s *simDisk) {
		s.d.EIO, s.d.Quota, s.slow = 0, 0, 0
		if !s.d.Off {
			s.d.Ops = -1
		}
	})
	time.Sleep(10 * time.Second)
	w.up.reset()
	for _, c := range w.clients {
		c.stall(false)
		c.setLazy(0)
		c.connect(false)
	}
}

// settle waits until nothing moves any more.
func (w *world) settle() {
	for range 120 {
		time.Sleep(5 * time.Second)
		busy := false
		for _, c := range w.clients {
			busy = busy || c.busy()
		}
		if !busy {
			break
		}
	}
	for _, c := range w.clients {
		if c.busy() {
			w.led.fault("%s: ten minutes without faults, and what it sends is still not taken: stuck", c.name)
			break
		}
	}
	time.Sleep(90 * time.Second) // the bridge's back-off, and what it sends then
	w.checkRetained()
}

// checkRetained asks, as a new client, for the retained messages and compares them with what was set last.
func (w *world) checkRetained() {
	have, ok := w.readRetained()
	if !ok {
		w.led.fault("a new client could not read the retained messages: stuck")
		return
	}
	w.mu.Lock()
	damaged := min(w.flips, w.lost)
	w.mu.Unlock()
	for _, c := range w.clients {
		c.mu.Lock()
		for topic, values := range c.retains {
			if !w.led.checkRetained(c.name, topic, values, have[topic], damaged > 0) {
				damaged--
			}
		}
		c.mu.Unlock()
	}
}

// readRetained returns the payloads by topic.
func (w *world) readRetained() (have map[string]string, ok bool) {
	e, err := w.net.connect()
	if err != nil {
		return nil, false
	}
	defer e.Close()
	_ = e.SetDeadline(time.Now().Add(20 * time.Second))
	b := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, CleanStart: true, ClientID: "reader"})
	b = mqtt.AppendSubscribe(b, mqtt.Level311, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "r/#"}}})
	b = append(b, byte(mqtt.PINGREQ)<<4, 0)
	if _, err := e.Write(b); err != nil {
		return nil, false
	}
	have = map[string]string{}
	var buf []byte
	chunk := make([]byte, 4096)
	quiet := time.Time{}
	for {
		n, err := e.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			f, need, _ := mqtt.NextFrame(buf, mqtt.MaxRemaining)
			if f.Raw == nil {
				break
			}
			switch f.Type {
			case mqtt.PUBLISH:
				var p mqtt.Publish
				if mqtt.ParsePublish(f, mqtt.Level311, &p) == nil {
					have[string(p.Topic)] = string(p.Payload)
				}
			case mqtt.PINGRESP: // behind it what is sent in slices may still come
				quiet = time.Now()
				_ = e.SetDeadline(time.Now().Add(5 * time.Second))
			}
			buf = buf[need:]
		}
		if err != nil {
			return have, !quiet.IsZero()
		}
	}
}

func (w *world) finish() {
	w.led.willsOver()
	w.mu.Lock()
	w.ended = true
	stop := w.stop
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
	for _, c := range w.clients {
		c.drop()
	}
}

// judge opens the store as the next start would and compares what it counts with what is missing.
func (w *world) judge() {
	w.disk.set(func(s *simDisk) { s.d.Locked = false })
	j, err := journal.Open(journal.Options{Dir: "d", Size: w.s.Size, SegmentSize: w.s.Segment, FreeFloor: -1, FS: w.disk})
	if err != nil {
		w.led.fault("the store does not open: %v", err)
		return
	}
	dropped := map[string]uint64{}
	count := func(name, queue string) {
		q, err := j.OpenQueue(queue, journal.Limits{})
		if err != nil {
			w.led.fault("queue %s: %v", queue, err)
			return
		}
		s := q.Stats()
		dropped[name] = s.DroppedFull + s.DroppedAge + s.Damaged
		if s.DroppedAge > 0 {
			w.led.fault("queue %s: %d messages were dropped for their age, and none is older than minutes: clock", queue, s.DroppedAge)
		}
		if s.Waiting > 0 && name == "up" {
			w.led.fault("%d messages still wait for the upstream", s.Waiting)
		}
	}
	count("up", "spool/up")
	for _, c := range w.clients {
		count(c.name, "session/"+c.name)
		if c.unanswered { // its session has expired perhaps, and it was refused for want of room ever since
			w.led.uncertain(c.name)
		}
	}
	for name := range dropped { // also of damage that no queue has counted
		dropped[name] += w.lost + j.Stats().Damaged
	}
	// Nothing is dropped while a quarter of the files holds what is wanted, of which half may be entries, and nobody pays who
	// has no more than a quarter of its share of the rest (docs/journal-format.md, "When it is full"): it may be pinned.
	share := w.least / int64(8*4*(len(w.clients)+1))
	// A will that the disk has no room for is kept in memory only.
	if !w.harmed && !w.s.has("disk", "full") && !w.s.crowded() && w.s.Size >= 4<<20 {
		w.led.judgeWills()
	}
	w.led.judge(dropped, share, w.harmed)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = j.Run(ctx)
}
