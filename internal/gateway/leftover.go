package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"sensorgate/bridge"
	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/discovery"
	"sensorgate/internal/homeassistant"
	"sensorgate/internal/homie"
	"sensorgate/internal/journal"
	"sensorgate/internal/status"
)

// giveUp is how long an upstream that does not come back is tried for, to remove what was
// described there: by then it has been taken down, and its list is dropped.
const giveUp = 30 * 24 * time.Hour

// leftover is what one convention has left at an upstream that no bridge keeps described.
type leftover struct {
	convention string
	cfg        config.Bridge
	suffix     string // of the client id: that of the connection which has described
}

// leftovers are what must be removed over a connection of its own: what bridges have left
// that are not in the file, and what Homie has left, which has such a connection. The
// client id is that of the former connection. A last will that the upstream still keeps
// for it, because the power went and the line said nothing, is published when we connect
// under it ([MQTT-3.1.4-2]), and not after we have removed everything.
func (k *conventions) leftovers(c *config.Config) (list []leftover) {
	for _, name := range k.ledgers("homie") {
		i := slices.IndexFunc(c.Bridges, func(b config.Bridge) bool { return b.Name == name })
		switch r, known := k.reachOf(name); {
		case i >= 0 && c.Homie.Enabled && slices.Contains(c.Homie.Bridges, name):
		case i >= 0:
			list = append(list, leftover{"homie", c.Bridges[i], homieSuffix})
		case known:
			list = append(list, leftover{"homie", r.bridge(name), homieSuffix})
		}
	}
	for _, name := range k.ledgers("homeassistant") {
		if r, known := k.reachOf(name); known && !hasBridge(c.Bridges, name) {
			list = append(list, leftover{"homeassistant", r.bridge(name), ""})
		}
	}
	return list
}

// cleanUp removes a leftover.
type cleanUp struct {
	leftover
	own   *upstream // nil: nobody knows how to connect
	since time.Time // a clock that is right knew of it; zero: none did yet
}

// cleanUps start for each leftover what removes it, or report that it cannot be done from
// here.
func (k *conventions) cleanUps(ctx context.Context, c *config.Config, wg *sync.WaitGroup) {
	var jobs []*cleanUp
	for _, l := range k.leftovers(c) {
		j := &cleanUp{leftover: l, since: k.leftSince(l.cfg.Name)}
		jobs = append(jobs, j)
		if l.cfg.ClientID == "" {
			k.log.Warn("a bridge is not in the file any more; what was described at its upstream stays there", "bridge", l.cfg.Name, "urls", l.cfg.URLs,
				"try", l.byHand()+", or the bridge in the file once more")
			continue
		}
		own, err := k.aside(l.cfg, l.suffix, func(*bridge.Options) {})
		if err != nil {
			k.log.Error("no connection to clean up", "bridge", l.cfg.Name, "err", err)
			continue
		}
		j.own = own
		wg.Go(func() {
			if err := drivers.Guard(func() error { k.cleanUp(ctx, c, j); return nil }); err != nil {
				k.log.Error("what was described at a bridge that left is not removed", "bridge", l.cfg.Name, "err", err)
			}
		})
	}
	for _, key := range k.g.journal.Keys(leftKey) {
		if !slices.ContainsFunc(jobs, func(j *cleanUp) bool { return leftKey+j.cfg.Name == key }) {
			k.g.journal.Delete(key, journal.Event) // the bridge is in the file again
		}
	}
	k.mu.Lock()
	k.cleaning = jobs
	k.mu.Unlock()
}

// leftKey begins the entries with since when something is left over at an upstream.
const leftKey = ledgerKey + "left/"

// leftSince is since when something is left over, as far as the clock could be trusted.
func (k *conventions) leftSince(bridge string) (since time.Time) {
	data, noted := k.g.journal.Get(leftKey + bridge)
	switch {
	case noted && since.UnmarshalText(data) == nil:
		return since
	case !timeSynced():
		return time.Time{}
	}
	since = time.Now()
	if data, err := since.MarshalText(); err == nil {
		k.g.journal.Put(leftKey+bridge, data, journal.Event, nil, 0)
	}
	return since
}

// cleanUp removes what was described over a connection of its own. It tries until ctx ends,
// or until the upstream has been away for long.
func (k *conventions) cleanUp(ctx context.Context, c *config.Config, j *cleanUp) {
	inner, stop := context.WithCancel(ctx)
	if !j.since.IsZero() {
		inner, stop = context.WithDeadline(ctx, j.since.Add(giveUp))
	}
	var wg sync.WaitGroup
	wg.Go(func() { k.report(j.own.bridge.Run(inner)) })
	defer wg.Wait()
	defer stop()
	d := &describer{k: k, name: j.convention, upstream: j.own, place: atBridge + j.cfg.Name, rules: rulesOf(j.convention, c)}
	d.aim()
	var since time.Time
	if d.awaitUpstream(inner, &since) && d.bring(inner) {
		k.cleaned(j)
		k.log.Info("what was described at an upstream is removed there", "bridge", j.cfg.Name, "convention", j.convention)
		return
	}
	if ctx.Err() == nil {
		k.log.Warn("an upstream did not come back; what was described there is not looked after any more", "bridge", j.cfg.Name, "urls", j.cfg.URLs, "try", j.byHand())
		k.g.journal.Delete(d.ledger(), journal.Event)
		k.cleaned(j)
	}
}

// cleaned forgets how an upstream is reached when nothing of ours is there any more. Then
// all is described once more: it may be the broker of another bridge, too, under another
// address.
func (k *conventions) cleaned(j *cleanUp) {
	k.mu.Lock()
	k.cleaning = slices.DeleteFunc(k.cleaning, func(o *cleanUp) bool { return o == j })
	last := !slices.ContainsFunc(k.cleaning, func(o *cleanUp) bool { return o.cfg.Name == j.cfg.Name })
	k.mu.Unlock()
	if last {
		k.g.journal.Delete(leftKey+j.cfg.Name, journal.Event)
		if !hasBridge(k.g.config().Bridges, j.cfg.Name) {
			k.g.journal.Delete(reachKey+j.cfg.Name, journal.Event)
		}
		wake(k.change)
	}
}

// byHand is the command that removes what a bridge has left.
func (l *leftover) byHand() string {
	words := []string{"sensorgate discovery clean --all -L", l.cfg.URLs[0]}
	if l.cfg.User != "" {
		words = append(words, "-u", l.cfg.User)
	}
	return strings.Join(words, " ")
}

// leftOver reports what waits to be removed.
func (k *conventions) leftOver() (list []status.LeftOver) {
	k.mu.Lock()
	jobs := slices.Clone(k.cleaning)
	k.mu.Unlock()
	for _, j := range jobs {
		l := status.LeftOver{Bridge: j.cfg.Name, Convention: j.convention, URL: j.cfg.URLs[0], Since: j.since, Try: j.byHand()}
		if j.own == nil {
			l.Error = "how it was reached is not known any more"
		} else {
			l.Error = j.own.bridge.Status().Err
		}
		list = append(list, l)
	}
	return list
}

func rulesOf(convention string, c *config.Config) discovery.Convention {
	if convention == "homie" {
		return homie.Convention{}
	}
	return homeassistant.Convention{Prefix: discoveryPrefix(c)}
}

// homieSuffix makes the client id of Homie's own connection from that of the bridge.
const homieSuffix = "-homie"

// aside is a connection to a bridge's upstream beside the bridge's own: without its rules,
// its prefix, its will and its spool.
func (k *conventions) aside(c config.Bridge, suffix string, more func(*bridge.Options)) (*upstream, error) {
	queue := suffix
	if queue == "" {
		queue = "-cleanup" // the spool of a bridge of that name is another one
	}
	q, err := k.g.journal.OpenQueue(c.Name+queue, journal.Limits{Memory: true, Bytes: 64 << 10})
	if err != nil {
		return nil, err
	}
	c.Name += queue
	o := k.g.bridgeOptions(c, q)
	o.Name, o.ClientID = c.Name, k.freeClientID(c.ClientID+suffix)
	o.Prefix, o.Store, o.Rules, o.Status = "", nil, nil, bridge.Status{}
	o.Changed = k.upstreamChanged
	more(&o)
	b, err := bridge.New(o)
	if err != nil {
		return nil, err
	}
	return &upstream{cfg: c, bridge: b, queue: q}, nil
}

// freeClientID is id, or one like it that no bridge of the file has: of two with the same
// each would end the other's connection forever.
func (k *conventions) freeClientID(id string) string {
	c := k.g.config()
	for slices.ContainsFunc(c.Bridges, func(b config.Bridge) bool { return b.ClientID == id }) {
		id += "-"
	}
	return id
}
