package config

import (
	"fmt"
	"slices"
	"strings"

	"sensorgate/bridge"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/toml"
)

// HomeAssistant is [homeassistant].
type HomeAssistant struct {
	Enabled     bool     // the table is there
	Prefix      string   `toml:"prefix" example:"\"homeassistant\"" doc:"The discovery prefix that Home Assistant is configured with."`
	Birth       string   `toml:"birth_topic" example:"\"homeassistant/status\"" doc:"Where Home Assistant says that it has started; default: {prefix}/status."`
	ID          string   `toml:"id" example:"\"barn-pi\"" doc:"What identifies this gateway in Home Assistant; default: node. Changed, it makes every entity a new one."`
	Form        string   `toml:"form" example:"\"single\"" doc:"The form of the messages: one that describes a device (device, the default), or one for each entity (single), for Home Assistant before 2024.11."`
	Oldest      string   `toml:"oldest" example:"\"2025.6\"" doc:"The oldest Home Assistant that is to understand it: what it does not know yet is left out, because it would refuse the entity; default: the newest."`
	Bridges     []string `toml:"bridges" example:"[\"home\"]" doc:"The bridges to whose upstream Home Assistant is connected; default: none, it is connected to this broker."`
	Diagnostics bool     `toml:"diagnostics" doc:"Whether state, errors, spool and journal are entities too; default true."`
}

// The forms of HomeAssistant.
const (
	FormDevice = "device"
	FormSingle = "single"
)

// Month is a version of Home Assistant, "2025.6" or "2025.6.1", as a number that grows: 202506;
// 0 is none.
func Month(version string) int {
	var year, month int
	if n, _ := fmt.Sscanf(version, "%d.%d", &year, &month); n != 2 || year < 2016 || year > 2099 || month < 1 || month > 12 {
		return 0
	}
	return year*100 + month
}

// FirstWithDevices is the first Home Assistant that knows messages of devices.
const FirstWithDevices = 202411

// Homie is [homie].
type Homie struct {
	Enabled bool     // the table is there
	Version int      `toml:"version" required:"true" example:"5" doc:"Of the convention: 4 or 5."`
	Domain  string   `toml:"domain" example:"\"homie\"" doc:"The first level of its topics."`
	ID      string   `toml:"id" example:"\"barn-pi\"" doc:"What identifies this gateway; default: node, in small letters."`
	Bridges []string `toml:"bridges" example:"[\"home\"]" doc:"The bridges to whose upstream it is published, over connections of its own; default: none, only to this broker."`
}

// Described is what a device's table says for those who are to find it by themselves.
type Described struct {
	HA       *HADevice
	Channels []DescribedChannel // in the order of Map.Channels
}

// DescribedChannel is the same of a channel.
type DescribedChannel struct {
	Class string
	HA    *HAChannel
}

// HADevice is the ha of a device.
type HADevice struct {
	LeaveOut bool   `toml:"leave_out" doc:"Home Assistant does not find it."`
	Name     string `toml:"name" example:"\"Grid meter\"" doc:"How Home Assistant calls it; default: its name here."`
	Area     string `toml:"area" example:"\"Cellar\"" doc:"The area that Home Assistant suggests for it."`
	Maker    string `toml:"maker" example:"\"Eastron\"" doc:"Who made it; default: what the model or driver says."`
	Model    string `toml:"model" example:"\"SDM630 v2\"" doc:"What it is; default: what the model or driver says."`
}

// HAChannel is the ha of a channel.
type HAChannel struct {
	LeaveOut    bool     `toml:"leave_out" doc:"Home Assistant does not find it."`
	Component   string   `toml:"component" example:"\"binary_sensor\"" doc:"What it is there: sensor, binary_sensor, switch, valve, lock, number, select, button or event; default: what kind and values of the channel say."`
	DeviceClass *string  `toml:"device_class" example:"\"temperature\"" doc:"Home Assistant's word for what it measures; \"\" is none."`
	StateClass  *string  `toml:"state_class" example:"\"total_increasing\"" doc:"What is summed up over the years: measurement, measurement_angle, total or total_increasing; \"\" is none: no long-term statistics."`
	Unit        *string  `toml:"unit" example:"\"m³\"" doc:"The unit for Home Assistant, where it has another word for the same."`
	Name        string   `toml:"name" example:"\"Grid meter\"" doc:"How Home Assistant calls it; default: its name here."`
	Icon        string   `toml:"icon" example:"\"mdi:gauge\"" doc:"The icon: mdi:gauge."`
	Category    string   `toml:"category" example:"\"diagnostic\"" doc:"It is not shown among what matters: diagnostic or config."`
	Enabled     *bool    `toml:"enabled" doc:"Whether the entity is on from the beginning; default true."`
	Options     []string `toml:"options" example:"[\"off\", \"standby\", \"heating\"]" doc:"All texts that it can be."`
	Min         *float64 `toml:"min" example:"0" doc:"The smallest value that can be set."`
	Max         *float64 `toml:"max" example:"100" doc:"The largest value that can be set."`
	Step        *float64 `toml:"step" example:"0.5" doc:"The step in which it is set, 0.001 or more."`
}

// Objection is something that a convention cannot describe, or that its controllers would
// refuse. Channel and Key may be empty; Key is below the channel's or device's table:
// "ha.device_class".
type Objection struct {
	Table                string // "homeassistant" or "homie" where it is about none of the devices
	Device, Channel, Key string
	Problem, Try         string
	Warning              bool
}

func defaultHomeAssistant() HomeAssistant {
	return HomeAssistant{Prefix: "homeassistant", Form: FormDevice, Diagnostics: true}
}

func defaultHomie() Homie { return Homie{Domain: "homie"} }

// conventions reads [homeassistant] and [homie].
func (l *loader) conventions(top *topTable) {
	if n := top.HA.Node; n != nil {
		t := defaultHomeAssistant()
		l.Table(n, &t)
		t.Enabled = true
		if t.Birth == "" {
			t.Birth = t.Prefix + "/status"
		}
		l.conventionTopic(n.Field("prefix"), t.Prefix)
		l.conventionTopic(n.Field("birth_topic"), t.Birth)
		if f := n.Field("form"); f.Text() != "" && t.Form != FormDevice && t.Form != FormSingle {
			l.Wrong(f, "device or single", `"device"`)
		}
		l.oldest(n, &t)
		l.cfg.HomeAssistant, l.tables["homeassistant"] = t, n
		if !l.cfg.NodeGiven && t.ID == "" {
			l.AtKey(n, "entities are identified by the host name, because neither node nor id is given: under another host name all of them would be new ones", toml.Try(fmt.Sprintf("node = %q at the top of the file", l.cfg.Node))).Warn()
		}
	}
	if n := top.Homie.Node; n != nil {
		t := defaultHomie()
		l.Table(n, &t)
		t.Enabled = true
		l.conventionTopic(n.Field("domain"), t.Domain)
		if f := n.Field("version"); f != nil && f.Kind == toml.KindInteger && t.Version != 4 && t.Version != 5 {
			l.Wrong(f, "4 or 5", "5")
		}
		l.cfg.Homie, l.tables["homie"] = t, n
	}
}

// oldest checks the version of Home Assistant; before 2024.11 there were no messages of devices.
func (l *loader) oldest(n *toml.Node, t *HomeAssistant) {
	f := n.Field("oldest")
	switch month := Month(t.Oldest); {
	case f == nil || f.Kind != toml.KindString:
	case month == 0:
		l.Wrong(f, "a version of Home Assistant", `"2025.6"`)
	case month >= FirstWithDevices:
	case n.Field("form") == nil:
		t.Form = FormSingle
	case t.Form == FormDevice:
		l.AtValue(n.Field("form"), "Home Assistant "+t.Oldest+" does not know messages of devices, which came with 2024.11", toml.Try("without form"))
	}
}

func (l *loader) conventionTopic(n *toml.Node, topic string) {
	if err := mqtt.CheckTopic(topic); n != nil && n.Kind == toml.KindString && (err != nil || strings.HasPrefix(topic, "$")) {
		l.AtValue(n, fmt.Sprintf("%q cannot begin topics", topic), toml.Try(`"homeassistant"`))
	}
}

// made adds the rules that [homeassistant] needs to a bridge: descriptions and states go
// out, Home Assistant's birth and the commands come in.
func (l *loader) made(b *Bridge, n *toml.Node) {
	ha := &l.cfg.HomeAssistant
	if !ha.Enabled || !slices.Contains(ha.Bridges, b.Name) {
		return
	}
	if want := (bridge.Status{Topic: l.cfg.Node + "/status", Online: "online", Offline: "offline"}); b.Status != want {
		at := n.Field("status")
		l.AtKey(at, fmt.Sprintf("Home Assistant looks at %s, online or offline, to know whether this gateway is there", b.Prefix+want.Topic), toml.Try("without status, or without this bridge in homeassistant.bridges"))
	}
	before := len(b.Rules)
	out := func(local, remote string) {
		b.Rules = append(b.Rules, bridge.Rule{Out: true, Local: local, Remote: remote, QoS: 1, Retain: true, Newest: true})
	}
	in := func(local, remote string, r bridge.Rule) {
		r.In, r.Local, r.Remote, r.QoS = true, local, remote, 1
		b.Rules = append(b.Rules, r)
		l.rules = append(l.rules, newRuleAt(r, b, l.tables["homeassistant"].Field("bridges")))
	}
	for _, levels := range []string{"/+/+/config", "/+/+/+/config"} {
		out(ha.Prefix+levels, ha.Prefix+levels)
	}
	states, commands := l.cfg.stateFilters()
	for _, f := range states {
		out(f, b.Prefix+f)
	}
	in(ha.Birth, ha.Birth, bridge.Rule{})
	for _, f := range commands {
		in(f, b.Prefix+f, bridge.Rule{Expire: defaultCommandExpiry})
	}
	b.Made = len(b.Rules) - before
	l.twiceSent(b)
}

// twiceSent warns of a rule of the file that sends what a made rule sends.
func (l *loader) twiceSent(b *Bridge) {
	first := len(b.Rules) - b.Made
	for i := range l.rules {
		r := &l.rules[i]
		if r.of.Name != b.Name || !r.Out {
			continue
		}
		for _, m := range b.Rules[first:] {
			if m.Newest && mqtt.FiltersOverlap(r.localFilter, m.Local) && mqtt.FiltersOverlap(r.remoteFilter, m.Remote) {
				l.AtKey(r.n, fmt.Sprintf("of what this rule and [homeassistant] both send, the newest is sent and never a backlog: Home Assistant has no time stamps and would take last week for now (%s)", m.Local),
					toml.Try("another remote, or another bridge, for what must not be lost")).Warn()
				break
			}
		}
	}
}

// stateFilters are what covers all topics that devices publish, and all on which they take
// commands, with as few filters as the templates of the topics allow.
func (c *Config) stateFilters() (states, commands []string) {
	add := func(list *[]string, filter string) {
		if !slices.Contains(*list, filter) {
			*list = append(*list, filter)
		}
	}
	add(&states, c.Node+"/gateway/state")
	for i := range c.Devices {
		m := &c.Devices[i].Map
		add(&states, m.StatusFilter())
		if m.PerDevice {
			add(&states, m.ReadingsFilter(""))
		}
		for _, ch := range m.Channels {
			if !m.PerDevice {
				add(&states, m.ReadingsFilter(ch.Name))
			}
			if ch.Writable {
				add(&states, m.SetFilter(ch.Name)+mapping.ResultSuffix)
				add(&commands, m.SetFilter(ch.Name))
			}
		}
	}
	return states, commands
}

// objections reports what the conventions cannot describe, when all else is right.
func (l *loader) objections() {
	for name, bridges := range map[string][]string{"homeassistant": l.cfg.HomeAssistant.Bridges, "homie": l.cfg.Homie.Bridges} {
		for i, b := range bridges {
			if slices.ContainsFunc(l.cfg.Bridges, func(c Bridge) bool { return c.Name == b }) {
				continue
			}
			var names []string
			for _, c := range l.cfg.Bridges {
				names = append(names, c.Name)
			}
			at := l.tables[name].Field("bridges").Items[i]
			l.AtValue(at, fmt.Sprintf("no bridge is called %q", b), toml.Expected("one of "+strings.Join(names, ", ")), toml.Try(toml.Nearest(b, names)))
		}
	}
	if l.cat.Conventions == nil || l.Problems.Errors() || !l.cfg.HomeAssistant.Enabled && !l.cfg.Homie.Enabled {
		return
	}
	for _, o := range l.cat.Conventions(l.cfg) {
		p := l.AtKey(l.placeOf(&o), o.Problem, toml.Try(o.Try))
		if o.Warning {
			p.Warn()
		}
	}
}

// placeOf is the node nearest to what an objection is about.
func (l *loader) placeOf(o *Objection) *toml.Node {
	d := l.places[o.Device]
	if d == nil {
		n := l.tables[o.Table]
		if f := n.Field(o.Key); f != nil {
			return f
		}
		return n
	}
	at := d.n
	if d.table.Channels.Node != nil && o.Channel != "" {
		if f := d.table.Channels.Node.Field(o.Channel); f != nil {
			at = f
		}
	}
	for key := range strings.SplitSeq(o.Key, ".") {
		f := at.Field(key)
		if f == nil {
			break
		}
		at = f
	}
	return at
}
