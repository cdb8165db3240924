package modbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// simulator is a slave with the registers of a model's channels, and plausible values in
// them. What its model does not name it does not have.
type simulator struct {
	options  *Options
	channels []simulated
	models   []model // SunSpec models that it has

	blank map[string]bool

	mu      sync.Mutex
	written map[place]word // by commands
}

// place is one register or bit of a table.
type place struct {
	table Table
	at    int
}

type word = uint16

// simulated is one channel of a simulator.
type simulated struct {
	config drivers.ChannelConfig
	o      Channel
	table  Table
	base   int // of its SunSpec model

	missing bool // extreme numbers mean that there is none
}

// image is what a simulator's registers hold at one moment.
type image struct {
	words  map[place]word
	values []drivers.Reading
}

// simulatedBase is where a simulator has its SunSpec map.
const simulatedBase = 40000

// newSimulator makes a slave of a device's configuration.
func newSimulator(s drivers.DeviceConfig) (*simulator, error) {
	m := &simulator{options: s.Options.(*Options), written: map[place]word{}, blank: map[string]bool{}}
	for _, cc := range s.Channels {
		given, ok := cc.Options.(*Channel)
		if !ok {
			return nil, fmt.Errorf("channel %s has no options of modbus", cc.Name)
		}
		o := *given
		if o.Order == (field.Order{}) {
			o.Order = m.options.Order
		}
		table, _ := o.place()
		c := simulated{config: cc, o: o, table: table, missing: o.SunSpec != "" || m.options.Missing}
		if o.SunSpec != "" {
			c.base = m.sunspec(o.SunSpec)
		}
		m.channels = append(m.channels, c)
	}
	m.leaveOut()
	_, err := m.image(0)
	return m, err
}

// leaveOut takes out the channels of other variants than the first that the model names.
func (m *simulator) leaveOut() {
	i := &image{words: map[place]word{}}
	m.layConditions(i)
	m.channels = slices.DeleteFunc(m.channels, func(c simulated) bool {
		only := c.o.Only
		if only == nil {
			return false
		}
		var p []byte
		t, at, n := only.place()
		for k := range n {
			p = binary.BigEndian.AppendUint16(p, i.words[place{t, at + k}])
		}
		return !only.fits(only.value(p, m.options.Order), only.Is)
	})
}

// sunspec makes sure that the first of the models wanted is there, and returns where.
func (m *simulator) sunspec(wanted string) int {
	numbers, _ := parseModels(wanted) // checked when the file was read
	for _, have := range m.models {
		if have.number == numbers[0] {
			return have.at
		}
	}
	next := simulatedBase + len(sunspecMark)/2
	if n := len(m.models); n > 0 {
		next = m.models[n-1].at + modelHeader + m.models[n-1].length
	}
	m.models = append(m.models, model{number: numbers[0], at: next, length: simulatedModel})
	return next
}

// simulatedModel is the length of each SunSpec model; the longest that is known has less.
const simulatedModel = 300

// image lays all channels out. Registers that two channels share have what the first wants.
func (m *simulator) image(ran time.Duration) (*image, error) {
	i := &image{words: map[place]word{}}
	m.layModels(i)
	m.layConditions(i)
	for n, c := range m.channels {
		if err := c.lay(i, n, ran, m.blank[c.config.Name]); err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.config.Name, err)
		}
	}
	for at, w := range m.written {
		i.words[at] = w
	}
	for _, c := range m.channels {
		r, err := c.value(i)
		if errors.Is(err, field.ErrNone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.config.Name, err)
		}
		i.values = append(i.values, r)
	}
	return i, nil
}

func (m *simulator) layModels(i *image) {
	if len(m.models) == 0 {
		return
	}
	put := func(at int, words ...word) {
		for n, w := range words {
			i.words[place{Holding, at + n}] = w
		}
	}
	put(simulatedBase, binary.BigEndian.Uint16([]byte(sunspecMark)), binary.BigEndian.Uint16([]byte(sunspecMark[2:])))
	end := 0
	for _, model := range m.models {
		put(model.at, word(model.number), word(model.length))
		end = model.at + modelHeader + model.length
	}
	put(end, lastModel, 0)
}

// layConditions puts what a device of the model has where it and its channels are known by;
// of two that want the same register, the first counts.
func (m *simulator) layConditions(i *image) {
	if m.options.Identity != nil {
		m.layCondition(i, m.options.Identity)
	}
	for _, c := range m.channels {
		if c.o.Only != nil {
			m.layCondition(i, c.o.Only)
		}
	}
}

func (m *simulator) layCondition(i *image, id *Identity) {
	p, err := id.layout(m.options.Order).Encode(drivers.Command{Payload: []byte(id.Is[0])})
	if err != nil {
		return
	}
	if len(p)%2 != 0 {
		p = append(p, 0)
	}
	t, at, _ := id.place()
	for n := 0; n+1 < len(p); n += 2 {
		i.keep(place{t, at + n/2}, binary.BigEndian.Uint16(p[n:]))
	}
}

// start is where the channel's value is.
func (c *simulated) start() int {
	_, at := c.o.place()
	return c.base + at
}

// lay puts the channel's value into its registers, and zeros into those that it also needs.
func (c *simulated) lay(i *image, n int, ran time.Duration, blank bool) error {
	if !c.o.registers() {
		i.words[place{c.table, c.start()}] = word((n + 1) % 2)
		return nil
	}
	exponent := 0
	if c.o.SF != nil {
		exponent = usualExponent(c.config.Unit)
		i.keep(place{c.table, c.base + *c.o.SF}, word(exponent))
	}
	if c.o.Sign != nil {
		i.keep(place{c.table, c.base + *c.o.Sign}, 0)
	}
	raw, err := c.raw(n, ran, exponent)
	if err != nil {
		return err
	}
	p, err := c.encode(raw)
	if blank {
		p, err = c.none(), nil
	}
	if err != nil {
		return err
	}
	i.put(c, c.start(), p)
	for _, at := range append(append([]int(nil), c.o.Plus...), c.o.Minus...) {
		i.put(c, c.base+at, make([]byte, 2*c.o.width()))
	}
	return nil
}

// keep sets a register that nobody has set.
func (i *image) keep(at place, w word) {
	if _, taken := i.words[at]; !taken {
		i.words[at] = w
	}
}

// put sets registers; of one that several channels have parts of, the part.
func (i *image) put(c *simulated, at int, p []byte) {
	partial := c.o.Bit != nil || c.o.Bits != nil
	for n := 0; n+1 < len(p); n += 2 {
		w, where := binary.BigEndian.Uint16(p[n:]), place{c.table, at + n/2}
		if partial {
			i.words[where] |= w
			continue
		}
		i.keep(where, w)
	}
}

// value is what a master makes of the registers.
func (c *simulated) value(i *image) (drivers.Reading, error) {
	ch, item := newChannel(c.config.Name, c.config.Unit, c.o, c.start())
	if c.base != 0 { // places in a model: newChannel counts from its beginning
		_, at := c.o.place()
		ch, item = newChannel(c.config.Name, c.config.Unit, c.o, at)
		item.at += c.base
	}
	item.table = c.table
	var p []byte
	for n := range item.width {
		w := i.words[place{c.table, item.at + n}]
		if !c.o.registers() {
			p = append(p, byte(w))
			continue
		}
		p = binary.BigEndian.AppendUint16(p, w)
	}
	ch.missing = c.missing
	v, err := ch.decode(p)
	return drivers.Reading{Channel: c.config.Name, Unit: c.config.Unit, Value: v}, err
}

// encode makes registers of a raw number, or of a smaller one that fits.
func (c *simulated) encode(raw float64) ([]byte, error) {
	plain := field.Layout{Type: c.o.Type, Order: c.o.Order, Len: c.o.Len}
	switch {
	case c.o.Bit != nil:
		raw = math.Ldexp(math.Mod(raw, 2), *c.o.Bit)
	case c.o.Bits != nil:
		low, high := (*c.o.Bits)[0], (*c.o.Bits)[1]
		raw = math.Ldexp(math.Min(math.Abs(raw), math.Ldexp(1, high-low+1)-1), low)
	}
	for {
		p, err := plain.Encode(drivers.Command{Payload: payloadOf(raw, &plain)})
		if err == nil && len(p)%2 != 0 {
			if plain.Type.IsText() {
				p = append(p, 0)
			} else {
				p = append([]byte{0}, p...)
			}
		}
		if err == nil || math.Abs(raw) < 1 {
			return p, err
		}
		raw = math.Trunc(raw / 10) // a small type
	}
}

// payloadOf writes a raw number the way that a command has it.
func payloadOf(raw float64, l *field.Layout) []byte {
	switch {
	case l.Type.IsText():
		text := "SIM" + strconv.FormatFloat(raw, 'f', -1, 64)
		return []byte(text[:min(len(text), l.Len)])
	case l.Type.IsBool():
		return []byte(strconv.FormatBool(raw != 0))
	}
	return strconv.AppendFloat(nil, raw, 'f', -1, 64)
}

// usualExponent is the scale factor of a SunSpec point.
func usualExponent(unit string) int {
	switch unit {
	case "V", "Hz", "°C", "%":
		return -1
	case "A":
		return -2
	}
	return 0
}

// raw returns a plausible number for the registers of the nth channel.
func (c *simulated) raw(n int, ran time.Duration, exponent int) (float64, error) {
	if c.o.Map != nil {
		return c.named(n)
	}
	if c.o.Bit != nil || c.o.Type.IsBool() {
		return float64(n % 2), nil
	}
	scale := c.o.Scale
	if scale == 0 {
		scale = 1
	}
	likely := drivers.Likely(drivers.Channel{Name: c.config.Name, Unit: c.config.Unit}, n, c.o.Min, c.o.Max, ran)
	raw := (likely - c.o.Offset) / scale / math.Pow10(exponent)
	if !strings.HasPrefix(c.o.Type.String(), "f") {
		raw = math.Round(raw)
	}
	for slices.Contains(c.o.Invalid, raw) {
		raw++
	}
	return raw, nil
}

// named returns a number that the map has a name for, another from one channel to the next.
func (c *simulated) named(n int) (float64, error) {
	var known []float64
	for name := range c.o.Map {
		if number, ok := field.ParseNumber(name); ok {
			known = append(known, number)
		}
	}
	if len(known) == 0 {
		return 0, errors.New("its map has no number")
	}
	slices.Sort(known)
	return known[n%len(known)], nil
}

// none returns the registers of a value that is not there, nil if the channel has no such.
func (c *simulated) none() []byte {
	plain := field.Layout{Type: c.o.Type, Order: c.o.Order, Len: c.o.Len}
	name := plain.Type.String()
	switch {
	case !c.o.registers() || c.o.Bit != nil || c.o.Bits != nil:
		return nil
	case len(c.o.Invalid) > 0:
		p, err := c.encode(c.o.Invalid[0])
		if err != nil {
			return nil
		}
		return p
	case plain.Type.IsText():
		return make([]byte, 2*c.o.width())
	case name == "f32":
		return c.ordered([]byte{0x7F, 0xC0, 0, 0}) // not a number
	case !c.missing:
		return nil
	case strings.HasPrefix(name, "s"):
		return c.ordered(append([]byte{0x80}, make([]byte, plain.Size()-1)...))
	case strings.HasPrefix(name, "u"):
		return bytes.Repeat([]byte{0xFF}, plain.Size())
	}
	return nil
}

// ordered turns big-endian bytes into those of the channel.
func (c *simulated) ordered(p []byte) []byte {
	u, n := uint64(0), len(p)
	for _, b := range p {
		u = u<<8 | uint64(b)
	}
	plain := field.Layout{Order: c.o.Order}
	if plain.Type.UnmarshalText(fmt.Appendf(nil, "u%d", 8*n)) != nil {
		return nil
	}
	out, err := plain.Encode(drivers.Command{Payload: strconv.AppendUint(nil, u, 10)})
	if err != nil {
		return nil
	}
	return out
}
