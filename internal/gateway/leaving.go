package gateway

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"sensorgate/bridge"
	"sensorgate/internal/config"
	"sensorgate/internal/discovery"
	"sensorgate/internal/journal"
)

// A bridge that leaves the file leaves descriptions at its upstream. A bridge to the same
// upstream takes over their ledger; else the connection is made once more, to remove them:
// after a reload as after a restart, because the journal has how the bridge was reached.

// reachKey begins the entries with how bridges that descriptions went to are reached.
const reachKey = ledgerKey + "at/"

// reach is how a bridge got to its upstream. It has no secret, only the place of one: the
// file of the password is read when it is needed.
type reach struct {
	URLs      []string        `json:"urls"`
	ClientID  string          `json:"client_id"`
	User      string          `json:"user,omitempty"`
	Password  config.Secret   `json:"password,omitzero"`
	TLS       bridge.TLSFiles `json:"tls,omitzero"`
	Protocol  string          `json:"protocol"`
	KeepAlive time.Duration   `json:"keep_alive"`
}

func reachOf(b *config.Bridge) reach {
	return reach{URLs: b.URLs, ClientID: b.ClientID, User: b.User, Password: b.Secret, TLS: b.TLS, Protocol: b.Protocol, KeepAlive: b.KeepAlive}
}

// bridge is as much of the former bridge as it takes to connect once more.
func (r *reach) bridge(name string) config.Bridge {
	return config.Bridge{Secret: r.Password, Options: bridge.Options{
		Name: name, URLs: r.URLs, ClientID: r.ClientID, User: r.User, TLS: r.TLS, Protocol: r.Protocol, KeepAlive: r.KeepAlive,
	}}
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

// noteReach writes down how the described bridges are reached. The ledger of one that goes
// elsewhere now stays with the upstream to which it did go.
func (k *conventions) noteReach(c *config.Config) {
	for i := range c.Bridges {
		b := &c.Bridges[i]
		was, known := k.reachOf(b.Name)
		if known && apart(was.URLs, b.URLs) {
			k.rename(b.Name, elsewhere(b.Name, was.URLs))
			known = false
		}
		described := slices.Contains(c.HomeAssistant.Bridges, b.Name) || slices.Contains(c.Homie.Bridges, b.Name)
		if now := reachOf(b); (described || known) && !reflect.DeepEqual(was, now) {
			if data, err := json.Marshal(now); err == nil {
				k.g.journal.Put(reachKey+b.Name, data, journal.Event, nil, 0)
			}
		}
	}
}

// reachOf is how a bridge was reached when descriptions went to it. Earlier versions kept
// its URLs alone.
func (k *conventions) reachOf(name string) (r reach, known bool) {
	data, known := k.g.journal.Get(reachKey + name)
	if known && json.Unmarshal(data, &r) != nil {
		r = reach{}
		known = json.Unmarshal(data, &r.URLs) == nil
	}
	return r, known && len(r.URLs) > 0
}

// conventionNames are those that begin the places of ledgers.
var conventionNames = []string{"homeassistant", "homie"}

// orphans are the bridges that have a ledger and are not in the file.
func (k *conventions) orphans(c *config.Config) (names []string) {
	for _, convention := range conventionNames {
		for _, name := range k.ledgers(convention) {
			if !hasBridge(c.Bridges, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// ledgers are the bridges that a convention has a ledger of.
func (k *conventions) ledgers(convention string) (names []string) {
	prefix := ledgerKey + convention + "/" + atBridge
	for _, key := range k.g.journal.Keys(prefix) {
		names = append(names, strings.TrimPrefix(key, prefix))
	}
	return names
}

// inherit has bridges take over the ledgers of those that went to the same upstream under
// another name.
func (k *conventions) inherit(c *config.Config) {
	for _, name := range k.orphans(c) {
		was, _ := k.reachOf(name)
		i := slices.IndexFunc(c.Bridges, func(b config.Bridge) bool { return !apart(b.URLs, was.URLs) })
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
	if data, there := k.g.journal.Get(reachKey + from); there {
		if _, better := k.reachOf(to); !better {
			k.g.journal.Put(reachKey+to, data, journal.Event, nil, 0)
		}
		k.g.journal.Delete(reachKey+from, journal.Event)
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
