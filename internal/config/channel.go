package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/toml"
)

// channels makes the channels of a device: those that the driver knows, refined by
// the file, and those that the file adds where the driver lets users name them.
func (l *loader) channels(d *deviceAt) {
	table := d.table.Channels.Node
	if table != nil && table.Kind != toml.KindTable {
		l.AtValue(table, "found "+table.Found()+", expected a table with an entry per channel")
		return
	}
	for _, known := range d.known {
		l.channel(d, known, table.Field(known.Name))
	}
	for _, n := range table.FieldsOrNone() {
		switch {
		case slices.ContainsFunc(d.known, func(c drivers.Channel) bool { return c.Name == n.Name }):
		case d.unsure:
		case d.driver.ChannelOptions == nil:
			l.unknownChannel(d, n)
		default:
			l.channel(d, drivers.Channel{Name: n.Name}, n)
		}
	}
	if len(d.dev.Map.Channels) == 0 && d.driver.ChannelOptions != nil && table.FieldsOrNone() == nil {
		l.AtKey(d.n, fmt.Sprintf("driver %s needs channels", d.driver.Name), toml.Try(fmt.Sprintf("[device.%s.channels] with an entry for each quantity", toml.QuoteKey(d.n.Name))))
	}
	l.whenChannels(d, table)
}

func (l *loader) unknownChannel(d *deviceAt, n *toml.Node) {
	names := make([]string, len(d.known))
	for i, c := range d.known {
		names[i] = c.Name
	}
	fix := ""
	if right := toml.Nearest(strings.ToLower(n.Name), names); right != "" {
		fix = right + " = " + toml.Shorten(n.Raw(), 60)
	}
	l.AtKey(n, fmt.Sprintf("%s has no channel %q", d.driver.Name, n.Name), toml.Expected("one of "+strings.Join(names, ", ")), toml.Try(fix))
}

// channel makes one channel; n is nil if the file says nothing about it.
func (l *loader) channel(d *deviceAt, known drivers.Channel, n *toml.Node) {
	var t channelTable
	conf := drivers.ChannelConfig{Name: known.Name, Unit: known.Unit}
	if n != nil {
		if err := validName(n.Name); err != nil {
			l.AtKey(n, err.Error())
		}
		if d.driver.ChannelOptions != nil {
			conf.Options = d.driver.ChannelOptions()
		}
		if n.Kind != toml.KindTable {
			l.AtValue(n, "found "+n.Found()+", expected a table", toml.Try(channelHint(n, conf.Options)))
			return
		}
		l.options(n, n, conf.Options, &t)
		if o, ok := conf.Options.(drivers.Outputter); ok {
			known = described(known, o.Outputs())
		}
		t.leaveTo(conf.Options)
		conf.Every, conf.Min, conf.Max = t.Every, t.Min, t.Max
		l.claim(n, conf.Options)
	}
	c := mapping.Channel{
		Name: known.Name, Unit: known.Unit, Kind: known.Kind, Writable: known.Writable,
		QoS: d.dev.Map.QoS, Filters: t.filters(), Unkept: unkept(d.table.History, t.History),
	}
	if n != nil {
		l.refine(d, &c, &t, n)
	}
	c.Retain = l.retain(d, &t, c.Kind, n)
	// Hardware that speaks first cannot be asked less often, only be heard less often.
	if c.Filters.Every == 0 && d.driver.Every == 0 && d.table.Every > 0 && c.Kind != drivers.State && c.Kind != drivers.Event {
		c.Filters.Every = d.table.Every
	}
	conf.Unit = c.Unit
	d.dev.Map.Channels = append(d.dev.Map.Channels, c)
	known.Unit, known.Kind = c.Unit, c.Kind
	if len(t.Options) > 0 {
		l.listedTexts(&known, t.Options, n.Field("options"))
		if known.Values == nil { // of two the driver knows which one is on
			known.Values = t.Options
		}
	}
	d.dev.Channels = append(d.dev.Channels, known)
	d.dev.Described.Channels = append(d.dev.Described.Channels, DescribedChannel{Class: t.Class, HA: t.HA})
	if n != nil {
		d.dev.Config.Channels = append(d.dev.Config.Channels, conf)
	}
	// What a model or a driver lists need not exist on every meter; an event need not happen.
	if own := n != nil && n.Source == d.n.Source; c.Kind != drivers.Event && (n != nil || !known.Optional) {
		d.dev.Expect = append(d.dev.Expect, drivers.Expectation{Channel: c.Name, Every: conf.Every, Listed: !own})
	}
}

// channelHint returns how to write a channel whose value stands there without its key.
func channelHint(n *toml.Node, options any) string {
	if slices.Contains(toml.OptionKeys(options), "input") && n.Kind == toml.KindInteger {
		fix, ok := translated(n, "input")
		if !ok {
			fix = "input = " + n.Raw()
		}
		return toml.QuoteKey(n.Name) + " = { " + fix + " }"
	}
	return toml.TableHint(n)
}

// leaveTo clears the filters that the driver has keys of its own for, or the value
// would be scaled twice. A driver scales by itself so that commands find the way back.
func (t *channelTable) leaveTo(options any) {
	for _, key := range toml.OptionKeys(options) {
		switch key {
		case "scale":
			t.Scale = nil
		case "offset":
			t.Offset = 0
		case "min":
			t.Min = nil
		case "max":
			t.Max = nil
		}
	}
}

// described fills in what a channel's options say of it.
func described(known drivers.Channel, outputs []drivers.Channel) drivers.Channel {
	for _, o := range outputs {
		if o.Name != "" && o.Name != known.Name {
			continue
		}
		o.Name = known.Name
		if o.Unit == "" {
			o.Unit = known.Unit
		}
		return o
	}
	return known
}

// refine puts what the file says over what the driver says.
func (l *loader) refine(d *deviceAt, c *mapping.Channel, t *channelTable, n *toml.Node) {
	if t.Unit != nil {
		c.Unit = *t.Unit
	}
	if t.Kind != nil {
		c.Kind = drivers.Kind(*t.Kind)
	}
	if t.Topic != nil {
		c.TopicTemplate = string(*t.Topic)
		l.topicVariables(n.Field("topic"), c.TopicTemplate)
		if d.dev.Map.PerDevice {
			l.AtValue(n.Field("topic"), `with publish = "device" there is one topic for all channels`, toml.Try("topic in the device"))
		}
	}
	if t.Payload != nil {
		c.Payload = mapping.Payload(*t.Payload)
		l.payloadVariables(n.Field("payload"), d, c)
	}
	if t.QoS != nil {
		c.QoS = byte(*t.QoS)
	}
	l.checkFilters(t, n)
}

// unkept: what the channel says counts, else what the device says.
func unkept(device, channel *bool) bool {
	if channel != nil {
		return !*channel
	}
	return device != nil && !*device
}

// retain: states are kept by the broker for who comes later, events never.
func (l *loader) retain(d *deviceAt, t *channelTable, kind drivers.Kind, n *toml.Node) bool {
	asked, at := t.Retain, n.Field("retain")
	if asked == nil {
		asked, at = d.table.Retain, nil
	}
	if asked == nil {
		return kind == drivers.State
	}
	if *asked && kind == drivers.Event {
		if at != nil {
			l.AtValue(at, "an event is never retained: who comes later would take it for a new one", toml.Try("retain = false"))
		}
		return false
	}
	return *asked
}

func (t *channelTable) filters() mapping.Filters {
	f := mapping.Filters{
		Offset: t.Offset, Points: t.Points, Clamp: t.Clamp, Median: t.Median, Average: t.Average,
		Every: t.Every, Deadband: t.Deadband, AtLeast: t.AtLeast, Digits: t.Digits,
	}
	if t.Scale != nil {
		f.Scale = *t.Scale
	}
	if len(t.When) > 0 {
		f.When = make(map[string]string, len(t.When))
		for name, value := range t.When {
			f.When[name] = string(value)
		}
	}
	return f
}

// maxWindow bounds the memory of median and average.
const maxWindow = 10001

// checkFilters looks at what each filter needs beyond its type.
func (l *loader) checkFilters(t *channelTable, n *toml.Node) {
	bad := func(key, want, fix string) { l.Wrong(n.Field(key), want, fix) }
	if t.Scale != nil && *t.Scale == 0 {
		bad("scale", "any other number: 0 makes every value 0", "")
	}
	for i := 1; i < len(t.Points); i++ {
		if t.Points[i][0] <= t.Points[i-1][0] {
			l.AtValue(n.Field("points").Items[i], fmt.Sprintf("the raw value %s does not grow from the one before, %s",
				formatNumber(t.Points[i][0]), formatNumber(t.Points[i-1][0])), toml.Expected("[[raw, true], …] in growing order of raw"))
		}
	}
	if f := n.Field("points"); f != nil && len(t.Points) == 0 {
		bad("points", "at least one [raw, true]", "")
	}
	if t.Min != nil && t.Max != nil && *t.Min > *t.Max {
		bad("min", "a number that is not above max = "+formatNumber(*t.Max), "")
	}
	if t.Clamp != nil && t.Clamp[0] > t.Clamp[1] {
		bad("clamp", "[least, greatest]", fmt.Sprintf("[%s, %s]", formatNumber(t.Clamp[1]), formatNumber(t.Clamp[0])))
	}
	if n.Field("median") != nil && (t.Median < 1 || t.Median%2 == 0 || t.Median > maxWindow) {
		bad("median", fmt.Sprintf("an odd number from 1 to %d", maxWindow), fmt.Sprint(max(t.Median|1, 3)))
	}
	if n.Field("average") != nil && (t.Average < 1 || t.Average > maxWindow) {
		bad("average", fmt.Sprintf("1 to %d", maxWindow), "5")
	}
	if n.Field("every") != nil && t.Every < time.Millisecond {
		bad("every", "1ms or more", `"60s"`)
	}
	if t.Deadband < 0 {
		bad("deadband", "0 or more", formatNumber(-t.Deadband))
	}
	if t.Digits != nil && (*t.Digits < -9 || *t.Digits > 15) {
		bad("digits", "-9 to 15", "2")
	}
}

// whenChannels reports conditions on channels that the device does not have.
func (l *loader) whenChannels(d *deviceAt, table *toml.Node) {
	var names []string
	for _, c := range d.dev.Map.Channels {
		names = append(names, c.Name)
	}
	if d.unsure {
		return
	}
	for _, c := range d.dev.Map.Channels {
		for _, other := range slices.Sorted(maps.Keys(c.Filters.When)) {
			if slices.Contains(names, other) {
				continue
			}
			at := table.Field(c.Name).Field("when").Field(other)
			if at == nil {
				continue
			}
			fix := ""
			if right := toml.Nearest(other, names); right != "" {
				fix = fmt.Sprintf("when = { %s = %s }", toml.QuoteKey(right), at.Raw())
			}
			l.AtKey(at, fmt.Sprintf("%s has no channel %q", d.n.Name, other), toml.Expected("one of "+strings.Join(names, ", ")), toml.Try(fix))
		}
	}
}
