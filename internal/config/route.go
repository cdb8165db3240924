package config

import (
	"fmt"
	"time"

	"sensorgate/bridge"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/toml"
)

// Hop is what one rule of a bridge does with a topic.
type Hop struct {
	Bridge string `json:"bridge"`
	Rule   int    `json:"rule"`
	Dir    string `json:"dir"` // out: sent to the upstream; in: fetched from it
	Local  string `json:"local"`
	Remote string `json:"remote"`
	QoS    byte   `json:"qos"`
	Every  string `json:"every,omitempty"`
	Expire string `json:"expire,omitempty"`
	// Note is why nothing is sent although the rule matches.
	Note string `json:"note,omitempty"`
}

// Short is the hop in a few characters, for a table.
func (h *Hop) Short() string {
	switch {
	case h.Note != "":
		return fmt.Sprintf("%s[%d] not sent", h.Bridge, h.Rule)
	case h.Dir == "in":
		return fmt.Sprintf("%s[%d] ← %s", h.Bridge, h.Rule, h.Remote)
	}
	return fmt.Sprintf("%s[%d] → %s", h.Bridge, h.Rule, h.Remote)
}

// Sentence is the hop for people.
func (h *Hop) Sentence() string {
	s := fmt.Sprintf("bridge.%s.rules[%d] sends %s as %s with QoS %d", h.Bridge, h.Rule, h.Local, h.Remote, h.QoS)
	if h.Dir == "in" {
		s = fmt.Sprintf("bridge.%s.rules[%d] fetches %s as %s with QoS %d", h.Bridge, h.Rule, h.Remote, h.Local, h.QoS)
	}
	if h.Every != "" {
		s += ", at most every " + h.Every
	}
	if h.Expire != "" {
		s += ", unless it is older than " + h.Expire
	}
	if h.Note != "" {
		s += " (" + h.Note + ")"
	}
	return s
}

// Route lists what the rules do with a topic: where a message on the local topic is
// sent, from which remote topic it is brought in, and what becomes of a message on
// it if it is a topic of an upstream.
func (c *Config) Route(topic string) []Hop {
	hops := []Hop{}
	for i := range c.Bridges {
		b := &c.Bridges[i]
		fetched := b.fetches(topic)
		for k, r := range b.Rules {
			if h, ok := sends(&r, topic); ok {
				h.Bridge, h.Rule = b.Name, k
				if fetched && !r.In {
					h.Note = "not sent: the same bridge fetches this topic, and in beats out"
				}
				hops = append(hops, h)
			}
			for _, h := range brings(&r, topic) {
				h.Bridge, h.Rule = b.Name, k
				hops = append(hops, h)
			}
		}
	}
	return hops
}

// fetches reports whether a rule that only fetches owns the local topic.
func (b *Bridge) fetches(local string) bool {
	for _, r := range b.Rules {
		if r.In && !r.Out && mqtt.Match(asFilter(r.Local), local) {
			return true
		}
	}
	return false
}

func hopOf(r *bridge.Rule, dir, local, remote string) Hop {
	h := Hop{Dir: dir, Local: local, Remote: remote, QoS: r.QoS}
	if dir == "out" && r.Every > 0 {
		h.Every = toml.FormatDuration(r.Every)
	}
	if dir == "in" && r.Expire > 0 {
		h.Expire = toml.FormatDuration(r.Expire.Round(time.Millisecond))
	}
	return h
}

// sends returns the hop of a local message on topic to the upstream.
func sends(r *bridge.Rule, topic string) (Hop, bool) {
	if !r.Out {
		return Hop{}, false
	}
	renamer, err := mqtt.NewRenamer(r.Local, r.Remote)
	if err != nil {
		return Hop{}, false
	}
	remote, ok := renamer.Rename(topic)
	return hopOf(r, "out", topic, remote), ok
}

// brings returns the hops by which a message comes in: topic may be the local name or
// the remote one.
func brings(r *bridge.Rule, topic string) (hops []Hop) {
	if !r.In {
		return nil
	}
	in, err := mqtt.NewReverseRenamer(r.Local, r.Remote)
	if err != nil {
		return nil
	}
	if local, ok := in.Rename(topic); ok {
		hops = append(hops, hopOf(r, "in", local, topic))
	}
	if back, err := in.Reverse(); err == nil {
		if remote, ok := back.Rename(topic); ok && remote != topic {
			hops = append(hops, hopOf(r, "in", topic, remote))
		}
	}
	return hops
}
