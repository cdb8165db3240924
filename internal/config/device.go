package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/toml"
)

// deviceTable is what every [device.NAME] has, whatever its driver.
type deviceTable struct {
	Driver   string        `toml:"driver" example:"\"bme280\"" doc:"What reads the device: bme280, modbus, lines, …; sensorgate schema --keys lists all."`
	Model    string        `toml:"model" example:"\"eastron/sdm630\"" doc:"A template: the driver, channels, units and intervals come along; sensorgate model list lists all."`
	Every    time.Duration `toml:"every" doc:"The interval of the polls; of hardware that speaks first, at most one reading is published per interval."`
	Topic    *topicText    `toml:"topic" example:"\"{node}/barn/{channel}\"" doc:"The topic of its channels."`
	Payload  *payloadText  `toml:"payload" example:"\"plain\"" doc:"What its readings look like: json, plain, or a text with {value} {unit} {time} …."`
	Publish  publishText   `toml:"publish" doc:"How many messages: one for each channel (channel, the default), or one for all of a poll (device)."`
	Class    string        `toml:"class" example:"\"pump\"" doc:"What it is: door, window, pump, …; {class} in topics."`
	QoS      *qosNumber    `toml:"qos" doc:"The quality of service of its messages; default 1."`
	Retain   *bool         `toml:"retain" doc:"The broker keeps the last message for those who subscribe later; default: for states only."`
	History  *bool         `toml:"history" doc:"Whether its values are kept in the history; default true."`
	HA       *HADevice     `toml:"ha" example:"{ name = \"Grid meter\", area = \"Cellar\" }" doc:"What Home Assistant is to know of it otherwise: { name = \"Grid meter\", area = \"Cellar\" }; { leave_out = true }."`
	Channels toml.Subtree  `toml:"channels" doc:"What is measured, or what to change about it."`
}

// channelTable is what every channel has, whatever its driver.
type channelTable struct {
	Unit    *string      `toml:"unit" example:"\"°C\"" doc:"The unit as people write it: °C, %, kWh."`
	Kind    *kindText    `toml:"kind" doc:"A gauge goes up and down (default), a total only grows, a state holds until it changes, an event is over at once."`
	Topic   *topicText   `toml:"topic" example:"\"barn/air/temperature\"" doc:"The topic of this channel."`
	Payload *payloadText `toml:"payload" example:"\"plain\"" doc:"What its readings look like: json, plain, or a text with {value} {unit} {time} …."`
	QoS     *qosNumber   `toml:"qos" doc:"The quality of service of its messages; default 1."`
	Retain  *bool        `toml:"retain" doc:"The broker keeps the last message for those who subscribe later; default: for states only."`

	Min      *float64             `toml:"min" example:"-30" doc:"A smaller value, as the device reports it, is a fault and not a reading."`
	Max      *float64             `toml:"max" example:"80" doc:"A larger value, as the device reports it, is a fault and not a reading."`
	When     map[string]condition `toml:"when" example:"{ status = \"A\" }" doc:"A reading is published only if another channel of the same poll has this value."`
	Scale    *float64             `toml:"scale" example:"0.1" doc:"The value is multiplied by this."`
	Offset   float64              `toml:"offset" example:"-0.4" doc:"This is added after scaling."`
	Points   [][2]float64         `toml:"points" example:"[[4, 0], [20, 100]]" doc:"A calibration, [[raw, true], …] with straight lines between the points."`
	Clamp    *[2]float64          `toml:"clamp" example:"[0, 100]" doc:"The [least, greatest] value that is published."`
	Median   int                  `toml:"median" example:"3" doc:"The median of the last n values, n odd: it takes out single wrong ones."`
	Average  int                  `toml:"average" example:"5" doc:"The mean of the last n values."`
	Every    time.Duration        `toml:"every" doc:"At most one message is published per interval; drivers that can ask less often do."`
	Deadband float64              `toml:"deadband" example:"0.2" doc:"A value that differs from the last published one by less is not published."`
	AtLeast  time.Duration        `toml:"at_least" doc:"An unchanged value is published again after this long."`
	Digits   *int                 `toml:"digits" example:"1" doc:"How many digits behind the point are published."`
	History  *bool                `toml:"history" doc:"Whether its values are kept in the history; default: as the device."`
	Class    string               `toml:"class" example:"\"humidity\"" doc:"What it measures or is, where its name does not say so: humidity, battery, gas, water, door, motion and so on."`
	Options  []string             `toml:"options" example:"[\"off\", \"standby\", \"heating\"]" doc:"All texts that a state can be, where the driver does not know them."`
	HA       *HAChannel           `toml:"ha" example:"{ device_class = \"gas\", name = \"Gas\" }" doc:"What Home Assistant is to know of it otherwise: { device_class = \"gas\", name = \"Gas\" }; { leave_out = true }."`
}

// deviceAt is a device while it is checked.
type deviceAt struct {
	n       *toml.Node // with the model merged in
	table   deviceTable
	driver  drivers.Driver
	options any
	known   []drivers.Channel // that driver and options give
	unsure  bool              // known may lack some, because the options are at fault
	title   string            // of the model
	dev     Device
}

// reservedNames are topics of our own below {node}.
var reservedNames = map[string]string{
	"gateway": "{node}/gateway/… is where the gateway reports about itself",
	"status":  "{node}/status is where the gateway says that it is online",
}

func (l *loader) devices(n *toml.Node) {
	l.each(n, func(n *toml.Node) {
		if err := validName(n.Name); err != nil {
			l.AtKey(n, err.Error())
		}
		if why := reservedNames[n.Name]; why != "" {
			l.AtKey(n, "the name is taken: "+why, toml.Try("another name"))
		}
		l.device(n)
	})
}

func (l *loader) device(n *toml.Node) {
	d := &deviceAt{n: n}
	if bus := n.Field("bus"); bus != nil && l.buses[bus.Text()] != nil {
		l.used[bus.Text()] = true // also if the rest of the device is at fault
	}
	if m := n.Field("model"); m != nil && m.Kind == toml.KindString {
		var ok bool
		if d.n, ok = l.fromModel(n, m); !ok {
			return
		}
		d.title = l.models[m.Text()].title
	}
	if !l.driver(d) {
		return
	}
	defer func() { l.Guessing = false }()
	if d.driver.Options != nil {
		d.options = d.driver.Options()
	}
	d.table.Publish = "channel"
	ok := l.options(d.n, d.n, d.options, &d.table)
	l.claim(d.n, d.options)
	d.known = d.driver.Channels
	if o, outputs := d.options.(drivers.Outputter); outputs {
		d.unsure = !ok
		d.known = withOutputs(d.known, o.Outputs())
	}
	before := len(l.Problems)
	l.assemble(d)
	if ok && len(l.Problems) == before {
		l.runExample(d)
	}
	l.cfg.Devices = append(l.cfg.Devices, d.dev)
	l.places[d.dev.Name] = d
}

// runExample runs the driver on the example that the user gave.
func (l *loader) runExample(d *deviceAt) {
	at := d.n.Field("example")
	if at == nil || d.driver.Example == nil {
		return
	}
	err := drivers.Guard(func() error { _, err := d.driver.Example(d.dev.Config); return err })
	if err != nil {
		l.AtValue(at, "the example cannot be read: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// withOutputs joins the channels of a driver with those that follow from options;
// of one name the latter count.
func withOutputs(known, outputs []drivers.Channel) []drivers.Channel {
	known = slices.Clone(known)
	for _, o := range outputs {
		if i := slices.IndexFunc(known, func(k drivers.Channel) bool { return k.Name == o.Name }); i >= 0 {
			known[i] = o
			continue
		}
		known = append(known, o)
	}
	return known
}

// driver finds the driver of a device.
func (l *loader) driver(d *deviceAt) bool {
	f := d.n.Field("driver")
	switch {
	case f == nil:
		for _, k := range d.n.Fields { // misspelt, or what others call it
			if l.Suggest(k.Name, []string{"driver"}) != "" && k.Kind == toml.KindString {
				p := l.AtKey(k, fmt.Sprintf("unknown key %q", k.Name), toml.Try("driver = "+k.Raw()))
				p.Path = d.n.Path()
				return false
			}
		}
		names := l.cat.Drivers.Names()
		l.AtKey(d.n, "driver is missing", toml.Expected(toml.ListKeys(names)), toml.Try(`driver = "`+guessDriver(d.n, names)+`"`))
		return false
	case f.Kind != toml.KindString:
		return f.Kind != toml.KindBroken && l.Wrong(f, "a text", toml.Quoted(f))
	}
	drv, err := l.cat.Drivers.Lookup(f.Text())
	if err != nil {
		text := fmt.Sprintf("no driver is called %q", f.Text())
		names := l.cat.Drivers.Names()
		right := toml.Nearest(strings.ToLower(f.Text()), names)
		if right == "" {
			l.AtValue(f, text, toml.Expected("one of "+strings.Join(names, ", ")))
			return false
		}
		l.AtValue(f, text, toml.Try(fmt.Sprintf("driver = %q", right)))
		l.Guessing = true
		drv, err = l.cat.Drivers.Lookup(right) // so that the rest of the table is looked at too
		if err != nil {
			return false
		}
	}
	d.driver = drv
	return true
}

// guessDriver returns which driver a table without one was probably written for.
func guessDriver(n *toml.Node, names []string) string {
	hints := []struct{ key, driver string }{
		{"unit", "modbus"}, {"match", "lines"}, {"sync", "frames"}, {"per_pulse", "pulse"},
		{"max_on", "output"}, {"failsafe", "output"}, {"debounce", "input"}, {"gpio", "input"}, {"id", "w1"}, {"bus", "modbus"},
	}
	for _, name := range names {
		if strings.Contains(n.Name, name) {
			return name
		}
	}
	for _, h := range hints {
		for _, name := range names {
			if n.Field(h.key) != nil && name == h.driver {
				return name
			}
		}
	}
	return "…"
}

// assemble makes the Device of what was decoded.
func (l *loader) assemble(d *deviceAt) {
	t := &d.table
	every := d.driver.Every
	if f := d.n.Field("every"); f != nil {
		every = t.Every
		if every < time.Millisecond && f.Kind == toml.KindString {
			l.Wrong(f, "1ms or more", `"5s"`)
		}
	}
	m := mapping.Device{
		Name: d.n.Name, Node: l.cfg.Node, Bus: busOf(d.options), Model: t.Model, Class: t.Class,
		TopicTemplate: l.cfg.Topic, Payload: orJSON(l.cfg.payload), PerDevice: t.Publish == "device", QoS: 1,
	}
	if t.Topic != nil {
		m.TopicTemplate = string(*t.Topic)
		l.topicVariables(d.n.Field("topic"), m.TopicTemplate)
	}
	if t.Payload != nil {
		m.Payload = mapping.Payload(*t.Payload)
	}
	if t.Retain != nil {
		m.Retain = m.PerDevice && *t.Retain
	}
	if t.QoS != nil {
		m.QoS = byte(*t.QoS)
	}
	d.dev = Device{
		Name: d.n.Name, Driver: d.driver, Model: t.Model, Map: m, text: toml.TextOf(d.n), Title: d.title,
		Described: Described{HA: t.HA},
		Config:    drivers.DeviceConfig{Device: d.n.Name, Options: d.options, Every: every},
	}
	l.channels(d)
	if f := d.n.Field("payload"); f != nil && d.dev.Map.PerDevice {
		l.payloadVariables(f, d, nil)
	} else if f != nil {
		l.payloadVariables(f, d, &mapping.Channel{})
	}
	l.topicsOf(d)
}

func orJSON(p mapping.Payload) mapping.Payload {
	if p == "" {
		return mapping.JSON
	}
	return p
}

// busOf names the bus that options claim, for {bus}.
func busOf(options any) string {
	if c, ok := options.(drivers.Claimer); ok {
		for _, claim := range c.Claims() {
			if claim.Kind == "bus" {
				return claim.ID
			}
			if claim.Kind == "i2c" {
				bus, _, _ := strings.Cut(claim.ID, ":")
				return "i2c-" + bus
			}
		}
	}
	return ""
}

// payloadVariables checks a payload template: of a channel, or (c nil) of all
// channels of a device together.
func (l *loader) payloadVariables(f *toml.Node, d *deviceAt, c *mapping.Channel) {
	text := f.Text()
	if mapping.Payload(text).Named() {
		if c == nil && text == string(mapping.Plain) {
			l.AtValue(f, `one message for all channels cannot be plain`, toml.Try(`payload = "json"`), toml.Or(`publish = "channel"`))
		}
		return
	}
	valid := append([]string{}, mapping.PayloadVariables...)
	valid = append(valid, mapping.TopicVariables...)
	if c == nil {
		valid = valid[1:] // there is not one {value} but one per channel
		for _, ch := range d.dev.Map.Channels {
			valid = append(valid, ch.Name)
		}
	}
	l.variables(f, text, valid)
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
