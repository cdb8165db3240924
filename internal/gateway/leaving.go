package gateway

import (
	"context"
	"encoding/json"
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
)

// A bridge that leaves the file leaves descriptions at its upstream. A bridge to the same
// upstream takes over their ledger; else the connection that a reload has taken away is made
// once more, to remove them. After a restart nobody knows a user and a password any more:
// then the log says what to type.

// urlsKey begins the entries with the URLs of bridges that descriptions went to.
const urlsKey = ledgerKey + "at/"

// noteBridges remembers the bridges that a reload takes out of the file or sends elsewhere.
func (k *conventions) noteBridges(next []config.Bridge) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range k.bridges {
		switch i := slices.IndexFunc(next, func(n config.Bridge) bool { return n.Name == b.Name }); {
		case i < 0:
			k.left[b.Name] = b
		case apart(b.URLs, next[i].URLs):
			k.left[elsewhere(b.Name, b.URLs)] = b
		}
	}
	for _, b := range next {
		delete(k.left, b.Name)
	}
	k.bridges = next
}

// elsewhere is the name, which no bridge can have, under which the ledger of the old
// upstream of a bridge is kept.
func elsewhere(bridge string, urls []string) string { return bridge + "@" + urls[0] }

// apart reports whether two lists of URLs have none in common.
func apart(a, b []string) bool {
	return !slices.ContainsFunc(a, func(u string) bool { return slices.Contains(b, u) })
}

func hasBridge(list []config.Bridge, name string) bool {
	return slices.ContainsFunc(list, func(b config.Bridge) bool { return b.Name == name })
}

// noteURLs writes down where the described bridges are. The ledger of one that goes
// elsewhere now stays with the upstream to which it did go.
func (k *conventions) noteURLs(c *config.Config) {
	for _, b := range c.Bridges {
		if was := k.urlsOf(b.Name); len(was) > 0 && apart(was, b.URLs) {
			k.rename(b.Name, elsewhere(b.Name, was))
		}
		if !slices.Contains(c.HomeAssistant.Bridges, b.Name) && !slices.Contains(c.Homie.Bridges, b.Name) || slices.Equal(k.urlsOf(b.Name), b.URLs) {
			continue
		}
		if data, err := json.Marshal(b.URLs); err == nil {
			k.g.journal.Put(urlsKey+b.Name, data, journal.Event, nil, 0)
		}
	}
}

// urlsOf is where a bridge was when descriptions went to it.
func (k *conventions) urlsOf(bridge string) (urls []string) {
	data, _ := k.g.journal.Get(urlsKey + bridge)
	if json.Unmarshal(data, &urls) != nil {
		return nil
	}
	return urls
}

// conventionNames are those that begin the places of ledgers.
var conventionNames = []string{"homeassistant", "homie"}

// orphans are the bridges that have a ledger and are not in the file.
func (k *conventions) orphans(c *config.Config) (names []string) {
	for _, convention := range conventionNames {
		prefix := ledgerKey + convention + "/" + atBridge
		for _, key := range k.g.journal.Keys(prefix) {
			if name := strings.TrimPrefix(key, prefix); !hasBridge(c.Bridges, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// inherit has bridges take over the ledgers of those that went to the same upstream under
// another name.
func (k *conventions) inherit(c *config.Config) {
	for _, name := range k.orphans(c) {
		urls := k.urlsOf(name)
		i := slices.IndexFunc(c.Bridges, func(b config.Bridge) bool { return !apart(b.URLs, urls) })
		if i < 0 {
			continue
		}
		k.rename(name, c.Bridges[i].Name)
		k.log.Info("a bridge to the same upstream cleans up what was described under another name", "bridge", c.Bridges[i].Name, "was", name)
	}
}

// rename moves what is known of a bridge's upstream to another name.
func (k *conventions) rename(from, to string) {
	for _, convention := range conventionNames {
		k.takeOver(ledgerKey+convention+"/"+atBridge, from, to)
	}
	if urls, there := k.g.journal.Get(urlsKey + from); there {
		k.g.journal.Put(urlsKey+to, urls, journal.Event, nil, 0)
		k.g.journal.Delete(urlsKey+from, journal.Event)
	}
}

// takeOver writes the new ledger before it deletes the old one: a cut between leaves both,
// and the next start does it again.
func (k *conventions) takeOver(prefix, from, to string) {
	data, there := k.g.journal.Get(prefix + from)
	if !there {
		return
	}
	was, err := discovery.ParseLedger(data)
	if err == nil {
		var now discovery.Ledger
		data, _ = k.g.journal.Get(prefix + to)
		if now, err = discovery.ParseLedger(data); err == nil {
			now.Add(was)
			k.g.journal.Put(prefix+to, now.Bytes(), journal.Event, nil, 0)
		}
	}
	if err != nil {
		k.log.Warn("the list of what was published cannot be read; what is not wanted any more stays there", "bridge", from, "err", err)
	}
	k.g.journal.Delete(prefix+from, journal.Event)
}

// cleanUps start for each orphan what removes its descriptions, or report that it cannot be
// done from here.
func (k *conventions) cleanUps(ctx context.Context, c *config.Config, wg *sync.WaitGroup) {
	for _, name := range k.orphans(c) {
		k.mu.Lock()
		b, known := k.left[name]
		k.mu.Unlock()
		if !known {
			k.log.Warn("a bridge is not in the file any more; what was described at its upstream stays there", "bridge", name, "urls", k.urlsOf(name),
				"try", "sensorgate discovery clean -L URL -u USER, or the bridge in the file once more")
			continue
		}
		own, err := k.aside(b, "-cleanup", func(*bridge.Options) {})
		if err != nil {
			k.log.Error("no connection to clean up", "bridge", name, "err", err)
			continue
		}
		wg.Go(func() {
			if err := drivers.Guard(func() error { k.cleanUp(ctx, c, name, own); return nil }); err != nil {
				k.log.Error("what was described at a bridge that left is not removed", "bridge", name, "err", err)
			}
		})
	}
}

// cleanUp removes what was described over a connection of its own. It tries until ctx ends.
// Then all is described once more: it may be the broker of another bridge, too, under
// another address.
func (k *conventions) cleanUp(ctx context.Context, c *config.Config, name string, own *upstream) {
	inner, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { k.report(own.bridge.Run(inner)) })
	defer wg.Wait()
	defer stop()
	for _, convention := range conventionNames {
		d := &describer{k: k, name: convention, upstream: own, place: atBridge + name, rules: rulesOf(convention, c)}
		d.aim()
		var since time.Time
		if !d.awaitUpstream(ctx, &since) || !d.bring(ctx) {
			return
		}
	}
	k.mu.Lock()
	delete(k.left, name)
	k.mu.Unlock()
	k.g.journal.Delete(urlsKey+name, journal.Event)
	k.log.Info("what was described at a bridge that left the file is removed there", "bridge", name)
	wake(k.change)
}

func rulesOf(convention string, c *config.Config) discovery.Convention {
	if convention == "homie" {
		return homie.Convention{}
	}
	return homeassistant.Convention{Prefix: discoveryPrefix(c)}
}

// aside is a connection to a bridge's upstream beside the bridge's own: without its rules,
// its prefix, its will and its spool.
func (k *conventions) aside(c config.Bridge, suffix string, more func(*bridge.Options)) (*upstream, error) {
	c.Name += suffix
	q, err := k.g.journal.OpenQueue(c.Name, journal.Limits{Memory: true, Bytes: 64 << 10})
	if err != nil {
		return nil, err
	}
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
