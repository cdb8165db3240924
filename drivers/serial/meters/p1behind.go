package meters

import (
	"errors"
	"fmt"
	"strconv"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial/framing"
)

// p1Kind is a kind of meter behind the meter.
type p1Kind struct {
	types []int // that 0-n:24.1.0 has; EN 13757-3, table of device types
	name  string
	unit  string
}

// p1Kinds are the kinds that have a channel. Which n a meter has is the installer's affair:
// only its type says what it is.
var p1Kinds = []p1Kind{
	{[]int{3}, "gas", "m³"},
	{[]int{4, 12, 13}, "heat", "GJ"}, // outlet, inlet, and heat with cooling
	{[]int{10, 11}, "cold", "GJ"},
	{[]int{7, 8}, "water", "m³"}, // 8 is what Belgian ports have for some water meters
	{[]int{6, 21}, "hot_water", "m³"},
	{[]int{2}, "energy_slave", "kWh"},
}

// p1Behind are the meters behind the meter: their totals are 0-n:24.2.1 (temperature
// corrected gas, and everything else), 0-n:24.2.3 (gas that is not), and in versions 2 and 3
// 0-n:24.3.0 with the unit before the value.
type p1Behind struct {
	names map[string]p1Target // by the kind's name
	own   map[obisCode]bool   // codes that the file has channels for
	kinds map[uint8]p1Kind    // by n, of this telegram
	alive map[string]int      // live meters of each kind in this telegram
	bound map[string]uint8    // which n has the kind's plain name
	two   map[string]bool     // there were two live ones at once
}

// p1Target is what the file makes of a kind's channel.
type p1Target struct {
	unit  string
	value *field.Value
}

func newP1Behind() p1Behind {
	return p1Behind{names: map[string]p1Target{}, own: map[obisCode]bool{}, bound: map[string]uint8{}, two: map[string]bool{}}
}

// refine notes what the file says about a kind's channel; false: it is none.
func (b *p1Behind) refine(name, unit string, v *field.Value) bool {
	for _, k := range p1Kinds {
		if k.name == name {
			b.names[name] = p1Target{unit, v}
			return true
		}
	}
	return false
}

// taken notes that the file has a channel for a code, or for a name.
func (b *p1Behind) taken(name string, code OBIS) {
	if c, ok := parseOBIS(string(code)); ok {
		b.own[c] = true
	}
	for _, k := range p1Kinds {
		if k.name == name {
			b.names[name] = p1Target{unit: "taken"}
		}
	}
}

// begin looks through a telegram for what each n is, and which are alive.
func (b *p1Behind) begin(lines []p1Line) {
	b.kinds, b.alive = map[uint8]p1Kind{}, map[string]int{}
	for _, l := range lines {
		if l.code[0] == 0 && l.code[2] == 24 && l.code[3] == 1 {
			b.kinds[l.code[1]] = kindOf(l.groups[0])
		}
	}
	seen := map[uint8]bool{}
	for _, l := range lines {
		kind, ok := b.kinds[l.code[1]]
		if _, _, err := b.total(l); err != nil || !ok || !isBehind(l.code) || kind.name == "" || seen[l.code[1]] {
			continue
		}
		seen[l.code[1]] = true
		if b.alive[kind.name]++; b.alive[kind.name] == 1 && !b.two[kind.name] {
			b.bound[kind.name] = l.code[1]
		}
		b.two[kind.name] = b.two[kind.name] || b.alive[kind.name] > 1
	}
}

func kindOf(text string) p1Kind {
	n, err := strconv.Atoi(text)
	for _, k := range p1Kinds {
		for _, t := range k.types {
			if err == nil && t == n {
				return k
			}
		}
	}
	return p1Kind{}
}

// isBehind reports whether a code is the total of a meter behind the meter.
func isBehind(c obisCode) bool {
	return c[0] == 0 && c[1] >= 1 && c[2] == 24 && (c[3] == 2 || c[3] == 3)
}

// total reads (time)(value*unit), or before version 4 (time)(..)(..)(..)(code)(unit)(value).
func (b *p1Behind) total(l p1Line) (v float64, unit string, err error) {
	groups := l.groups
	if len(groups) < 2 {
		return 0, "", errors.New("it has no time")
	}
	if !isP1Time(groups[0]) {
		return 0, "", fmt.Errorf("its time, %.20q, is no time", groups[0])
	}
	if err := checkP1Time(groups[0]); err != nil {
		return 0, "", err
	}
	value, unit, found := cut(groups[len(groups)-1], '*')
	if !found && len(groups) >= 4 {
		unit = groups[len(groups)-2]
	}
	v, ok := field.ParseNumber(value)
	if !ok || unit == "" {
		return 0, "", fmt.Errorf("%.20q is not a number with a unit: the meter has no value", groups[len(groups)-1])
	}
	return v, unit, nil
}

func cut(s string, at byte) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == at {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// decode takes the total of a meter behind the meter; false: the line is something else,
// or the file has a channel for its code.
func (b *p1Behind) decode(l p1Line, r *framing.Results) bool {
	if !isBehind(l.code) || b.own[l.code] {
		return false
	}
	v, unit, err := b.total(l)
	n, kind := l.code[1], b.kinds[l.code[1]]
	name := kind.name
	switch {
	case kind.name == "": // a type without a channel, or no type at all
		if err == nil {
			r.Other("obis", l.code.String(), unit, drivers.Number(v))
		}
		return true
	case b.bound[kind.name] != n && b.alive[kind.name] > 0 && err != nil:
		return true // the old meter after an exchange
	case b.bound[kind.name] != n && b.alive[kind.name] > 0:
		name = fmt.Sprintf("%s_%d", kind.name, n)
	}
	target := b.names[name]
	if target.unit == "taken" {
		return true
	}
	t := obisTarget{name: name, unit: kind.unit}
	if target.unit != "" {
		t.unit = target.unit
	}
	if target.value != nil {
		t.options = &OBISChannel{Value: *target.value}
	}
	if err != nil {
		r.Put(name, "", drivers.Value{}, err)
		return true
	}
	t.number(v, unit, r)
	return true
}
