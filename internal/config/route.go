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
	// Made: no rule of the file does it, but [homeassistant] or [homie]; of each topic only
	// the newest message goes out.
	Made string `json:"made,omitempty"`
}

// Short is the hop in a few characters, for a table.
func (h *Hop) Short() string {
	by := fmt.Sprintf("%s[%d]", h.Bridge, h.Rule)
	if h.Made != "" {
		by = h.Bridge + "[" + h.Made + "]"
	}
	switch {
	case h.Note != "":
		return by + " not sent"
	case h.Dir == "in":
		return by + " ← " + h.Remote
	}
	return by + " → " + h.Remote
}

// Sentence is the hop for people.
func (h *Hop) Sentence() string {
	by := fmt.Sprintf("bridge.%s.rules[%d]", h.Bridge, h.Rule)
	if h.Made != "" {
		by = fmt.Sprintf("[%s] by bridge.%s", h.Made, h.Bridge)
	}
	s := fmt.Sprintf("%s sends %s as %s with QoS %d", by, h.Local, h.Remote, h.QoS)
	if h.Dir == "in" {
		s = fmt.Sprintf("%s fetches %s as %s with QoS %d", by, h.Remote, h.Local, h.QoS)
	} else if h.Made != "" {
		s += ", of each topic the newest, never a backlog"
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
			made := ""
			if k >= len(b.Rules)-b.Made {
				made = "homeassistant"
			}
			if h, ok := sends(&r, topic); ok {
				h.Bridge, h.Rule, h.Made = b.Name, k, made
				h.Note = b.notSent(&r, topic, h.Remote, fetched)
				hops = append(hops, h)
			}
			for _, h := range brings(&r, topic) {
				h.Bridge, h.Rule, h.Made = b.Name, k, made
				hops = append(hops, h)
			}
		}
	}
	return hops
}

// notSent is why a rule does not send a topic that it matches, "" if it does.
func (b *Bridge) notSent(r *bridge.Rule, local, remote string, fetched bool) string {
	switch {
	case b.Status.Topic != "" && remote == b.Prefix+b.Status.Topic:
		return "not sent: the bridge has its own status there"
	case fetched && !r.In:
		return "not sent: the same bridge fetches this topic, and in beats out"
	case r.Newest:
		return ""
	}
	for _, m := range b.Rules[len(b.Rules)-b.Made:] {
		if h, ok := sends(&m, local); ok && m.Newest && h.Remote == remote {
			return "what this gateway publishes there [homeassistant] sends, without a backlog"
		}
	}
	return ""
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
