package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"sensorgate/broker"
	"sensorgate/broker/poll"
	"sensorgate/drivers"
	"sensorgate/internal/confd"
	"sensorgate/internal/config"
	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
	"sensorgate/internal/sdnotify"
	"sensorgate/internal/status"
	"sensorgate/internal/web"
)

// stopGrace is how long one part may take to end before the next is stopped.
const stopGrace = 5 * time.Second

// Options of a gateway.
type Options struct {
	Config   *config.Config
	Load     func() (*config.Config, error) // reads the configuration again, for a reload; nil: no reload
	Hardware *Hardware                      // that Config was checked against
	Log      *slog.Logger
	Version  string
	Socket   string                             // path of the control socket; "" is none
	Notify   *sdnotify.Notifier                 // one that does nothing outside systemd
	Hub      *web.Hub                           // where values, states and log lines go; nil: one of its own
	Ring     *web.LogRing                       // the newest lines of Log; nil: the log is not served
	Demo     bool                               // the page says that all is made up
	Folder   *confd.Folder                      // where configuration is saved, see OpenFolder; nil: nothing can be saved
	Doctor   func(*config.Config) []web.Finding // looks at the machine, some seconds; nil: nobody does
	Around   Surroundings

	MustListen bool // a listener whose address is taken ends Run; else all goes on without it
}

// Surroundings are what a gateway finds itself in. The zero value is this machine; a simulation puts its own there.
type Surroundings struct {
	Disk        disk.FS      // of the journal
	SegmentSize int64        // bytes; 0: the journal's default
	Network     poll.Network // where clients come from

	// Wall is the wall clock, and TimeSynced whether it is set, for the journal and the ages that it judges.
	Wall       func() time.Time
	TimeSynced func() bool

	// Dial opens the byte stream to an upstream.
	Dial func(ctx context.Context, u *url.URL) (net.Conn, error)
}

// Gateway is one running node.
type Gateway struct {
	opt     Options
	log     *slog.Logger
	started time.Time

	journal   *journal.Journal
	broker    *broker.Broker
	commands  *commandRouter
	buses     *group // serial buses
	devs      *group
	observers observers // of the devices
	bridges   *group

	keeper *keeper
	hub    *web.Hub
	page   *page

	audience    *audience
	conventions *conventions

	latest    drivers.Latest // readings that other devices compute with
	begun     chan struct{}  // closed when all devices have been started
	stateWake chan struct{}  // has a value when {node}/gateway/state must be published at once
	stateDue  chan struct{}  // has a value when it must be published soon

	reloading sync.Mutex // one reload at a time

	mu        sync.Mutex
	cfg       *config.Config
	devices   []*device // in the order of the file
	upstreams []*upstream
	configErr error

	counted counted
	life    *life
}

// StoreError is why the store that data names cannot be used: no permission, another
// process has it, a newer version wrote it.
type StoreError struct{ Err error }

func (e StoreError) Error() string { return e.Err.Error() }

// Unwrap returns the journal's error.
func (e StoreError) Unwrap() error { return e.Err }

// New builds the parts and opens the journal, whose errors are a StoreError. It starts
// nothing.
func New(o Options) (*Gateway, error) {
	c := o.Config
	if o.Folder == nil {
		o.Folder, _ = confd.Open(confd.Options{}) // never fails: it has no folder
	}
	g := &Gateway{opt: o, log: o.Log, cfg: c, buses: &group{log: o.Log}, devs: &group{log: o.Log}, bridges: &group{log: o.Log}, begun: make(chan struct{}), stateWake: make(chan struct{}, 1), stateDue: make(chan struct{}, 1)}
	j, err := journal.Open(journalOptions(c, o))
	if err != nil {
		return nil, StoreError{err}
	}
	g.journal = j
	g.broker, err = broker.New(brokerOptions(c, j, o))
	if err != nil {
		return nil, err
	}
	g.life = newLife(o.Notify, g.broker, g.journal)
	g.keeper = newKeeper(c, o.Log)
	if g.hub = o.Hub; g.hub == nil {
		g.hub = web.NewHub()
	}
	g.page = newPage(g)
	g.audience = newAudience(c, g.keeper, g.hub)
	g.conventions = newConventions(g, c)
	g.observers = observers{stateObserver{g}, g.audience, g.conventions}
	g.commands = newCommandRouter(c.Node, g.broker, g.mayAnswer, &g.counted, o.Log)
	for _, b := range c.Bridges {
		u, err := g.newUpstream(b)
		if err != nil {
			return nil, err
		}
		g.upstreams = append(g.upstreams, u)
	}
	for _, d := range c.Devices {
		g.devices = append(g.devices, g.follow(newDevice(d, g.broker, g.mayAnswer, &g.counted, g.observers, j, o.Log)))
	}
	return g, nil
}

// Run works until ctx ends: sinks start first, sources stop first. A part that
// fails stops all; a device that fails stops nothing.
func (g *Gateway) Run(ctx context.Context) error {
	g.started = time.Now()
	for _, u := range g.upstreams {
		g.startUpstream(u)
	}
	for _, c := range g.cfg.Serial {
		g.buses.start(c.Name, g.opt.Hardware.addSerial(c, g.log))
	}
	parts := []part{
		{"journal", g.journal.Run},
		optional("history", g.log, g.keeper.run),
		{"bridges", g.bridges.run},
		{"broker", g.broker.Run},
		{"presence", g.publishPresence},
		optional("discovery", g.log, g.conventions.run),
		{"state", g.publishState},
		{"commands", g.commands.run},
		{"i2c", g.opt.Hardware.i2c.Run},
		{"spi", g.opt.Hardware.spi.Run},
		{"serial", g.buses.run},
		{"devices", g.runDevices},
		{"figures", g.keepFigures},
		{"saves", g.opt.Folder.Run},
		{"scan", g.page.machine.run},
		optional("web", g.log, g.page.run),
		{"notify", g.notify},
	}
	if g.opt.Socket != "" {
		control := status.Control{Path: g.opt.Socket, Snapshot: g.Snapshot, Reload: g.Reload, Plan: g.plan, More: g.page,
			Store: func() any { return g.journal.Summary() }, Sessions: func() any { return g.broker.Sessions() }, RemoveSession: g.broker.RemoveSession}
		parts = append(parts, part{"control", control.Run})
	}
	return runAll(ctx, g.log, stopGrace, parts...)
}

// runDevices waits for the broker, so that a port that is taken is the first thing
// said and not a flood of readings.
func (g *Gateway) runDevices(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.broker.Ready():
	}
	g.log.Info("broker ready", "listeners", g.listeners())
	for _, d := range g.devices {
		g.startDevice(d)
	}
	close(g.begun)
	return g.devs.run(ctx)
}

func (g *Gateway) startDevice(d *device) {
	g.commands.connect(d)
	g.devs.start(d.cfg.Name, d.run)
}

func (g *Gateway) config() *config.Config {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cfg
}

// Ready is closed when the broker accepts connections.
func (g *Gateway) Ready() <-chan struct{} { return g.broker.Ready() }

func (g *Gateway) listeners() []string {
	names := []string{}
	select {
	case <-g.broker.Ready():
		for _, a := range g.broker.Addrs() {
			names = append(names, a.String())
		}
	default:
	}
	return names
}

// Snapshot reports how the whole gateway does.
func (g *Gateway) Snapshot() status.Snapshot {
	g.mu.Lock()
	devices, upstreams, cfg, configErr := slices.Clone(g.devices), slices.Clone(g.upstreams), g.cfg, g.configErr
	g.mu.Unlock()
	brokerStats, stored := g.broker.Stats(), g.journal.Stats()
	held := brokerStats.Held
	s := status.Snapshot{
		Node: cfg.Node, Version: g.opt.Version, Time: time.Now(), TimeSynced: timeSynced(), Started: g.started,
		Listeners: g.listeners(), NotListening: []string{}, Files: slices.Clone(cfg.Files),
		Devices: []status.Device{}, Upstreams: []status.Upstream{},
		Broker:  brokerStatus(brokerStats),
		Journal: status.FromJournal(cfg.Data, stored, time.Since(g.started)),
		WaitsForClock: status.WaitingForClock(stored, status.WaitsForClock{
			Messages: held.Messages, AtLeast: held.AtLeast, Retained: held.Retained, Sessions: held.Sessions, Wills: held.Wills,
		}),
	}
	s.Journal.Limit, s.Journal.Free = cfg.Journal.Size, g.counted.free.Load()
	for _, err := range g.broker.NotListening() {
		s.NotListening = append(s.NotListening, err.Error())
	}
	for _, d := range devices {
		s.Devices = append(s.Devices, d.status())
	}
	s.Count()
	s.Counts = g.counts(&stored, &brokerStats)
	for _, u := range upstreams {
		s.Upstreams = append(s.Upstreams, u.status())
	}
	s.LeftOver = g.conventions.leftOver()
	if configErr != nil {
		s.ConfigErr = configErr.Error()
	}
	return s
}

// keptTwice are the keys of the journal of which more than one message depends.
var keptTwice = []string{"session/", "bridge/", "device/", ledgerKey}

// StoreOptions are those with which another program may open the store in dir while no
// gateway runs on it, to take something out: whatever the configuration says, nothing in
// it becomes too large or too old by that. used is how many bytes it has now.
func StoreOptions(dir string, used int64, log *slog.Logger) journal.Options {
	return journal.Options{Dir: dir, Size: used + 64<<20, FreeFloor: -1, SeqStep: broker.SeqStep, Twice: keptTwice, Log: log}
}

// journalOptions adds to what the configuration says what only the program knows; so do
// brokerOptions and bridgeOptions. TestEveryOptionIsReachable looks at all three.
func journalOptions(c *config.Config, o Options) journal.Options {
	j := c.Journal
	j.Dir, j.Log = c.Data, o.Log.With("part", "journal")
	j.SeqStep, j.Twice = broker.SeqStep, keptTwice
	j.TimeSynced, j.Wall = timeSynced, o.Around.Wall
	if o.Around.TimeSynced != nil {
		j.TimeSynced = o.Around.TimeSynced
	}
	j.FS, j.SegmentSize = o.Around.Disk, o.Around.SegmentSize
	return j
}

func brokerOptions(c *config.Config, j *journal.Journal, o Options) broker.Options {
	b := c.Broker
	b.Journal, b.Log, b.Version, b.Network = j, o.Log.With("part", "broker"), o.Version, o.Around.Network
	b.Patient = !o.MustListen
	return b
}

func brokerStatus(s broker.Stats) status.Broker {
	return status.Broker{
		Clients: s.Clients, Subscriptions: s.Subscriptions, Retained: s.Retained,
		Received: s.PublishReceived, Sent: s.PublishSent, Dropped: s.Dropped(),
		Sessions: s.Sessions, Memory: s.Memory, MemoryLimit: s.MemoryLimit, MemoryFor: s.MemoryFor, RefusedMemory: s.RefusedMemory, RefusedDisk: s.RefusedDisk,
		LongestTurn: float64(s.LongestTurn.Microseconds()) / 1000,
	}
}
