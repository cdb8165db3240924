package config

import (
	"fmt"
	"strings"

	"sensorgate/drivers"
)

func (l *loader) serialBuses(n *node) {
	l.each(n, func(n *node) {
		l.buses[n.name] = n
		if err := validName(n.name); err != nil {
			l.atKey(n, err.Error())
		}
		var options any
		if l.cat.SerialBus != nil {
			options = l.cat.SerialBus()
		}
		l.options(n, n, options)
		l.claim(n, options)
		l.cfg.Serial = append(l.cfg.Serial, SerialBus{Name: n.name, Options: options, text: textOf(n)})
	})
}

// options decodes one table into a driver's options and our own, and has them
// checked. What could be decoded is there also when it reports false.
func (l *loader) options(n, base *node, options any, ours ...any) bool {
	if !l.table(n, append([]any{options}, ours...)...) {
		return false
	}
	return l.checked(n, base, options)
}

func (l *loader) checked(n, base *node, options any) bool {
	c, ok := options.(drivers.Checker)
	if !ok || l.guessing {
		return true
	}
	err := c.Check()
	if err == nil {
		return true
	}
	l.optionError(base, n, err)
	return false
}

// claimed is one use of something that there is once.
type claimed struct {
	drivers.Claim
	owner string
	at    *node
}

// claim enters what a device or bus occupies.
func (l *loader) claim(n *node, options any) {
	c, ok := options.(drivers.Claimer)
	if !ok {
		return
	}
	for _, claim := range c.Claims() {
		at, given := lookup(n, claim.Key)
		if claim.ID == "" || !given || at.kind == kindBroken {
			continue // a fault that was reported, or a default
		}
		if claim.Kind == "bus" {
			l.useBus(at, claim.ID)
			continue
		}
		l.claims = append(l.claims, claimed{claim, n.path(), at})
		if claim.Kind == "serial" {
			l.stablePort(at, claim.ID)
		}
	}
}

// useBus checks that there is a bus of that name.
func (l *loader) useBus(at *node, name string) {
	if l.buses[name] != nil {
		l.used[name] = true
		return
	}
	var names, places []string
	for _, f := range l.root.field("serial").keys() {
		names = append(names, f)
		places = append(places, fmt.Sprintf("%s (line %d)", f, l.root.field("serial").field(f).line()))
	}
	text := fmt.Sprintf("no [serial.*] is called %q", name)
	if len(names) == 0 {
		l.atValue(at, text, try(fmt.Sprintf("[serial.%s] with port and line, above", quoteKey(name))))
		return
	}
	fix := nearest(name, names)
	if fix == "" && len(names) == 1 {
		fix = names[0]
	}
	if fix != "" {
		fix = fmt.Sprintf("%s = %q", at.name, fix)
		// Whoever misspelled it meant to use it: no second fault about an unused bus.
		l.used[strings.Trim(strings.SplitN(fix, "= ", 2)[1], `"`)] = true
	}
	l.atValue(at, text, defined(strings.Join(places, ", ")), try(fix))
}

func (l *loader) unusedBuses() {
	for _, n := range l.root.field("serial").fieldsOrNone() {
		if n.kind == kindTable && !l.used[n.name] {
			l.atKey(n, "no device uses this bus", try(fmt.Sprintf("bus = %q in a device, or take the table out", n.name)))
		}
	}
}

// stablePort warns of names that the kernel gives in the order of plugging in.
func (l *loader) stablePort(at *node, port string) {
	if !strings.HasPrefix(port, "/dev/ttyUSB") && !strings.HasPrefix(port, "/dev/ttyACM") {
		return
	}
	fix := ""
	if l.cat.StablePort != nil {
		if stable := l.cat.StablePort(port); stable != "" {
			fix = fmt.Sprintf("%s = %q   (plugged in now)", at.name, stable)
		}
	}
	if fix == "" {
		fix = "sensorgate scan serial"
	}
	l.atValue(at, port+" can change after a reboot", try(fix)).bare().warn()
}

// claimedTwice reports what two devices want for themselves.
func (l *loader) claimedTwice() {
	type thing struct{ kind, id string }
	holders := map[thing]claimed{}
	for _, c := range l.claims {
		key := thing{c.Kind, c.ID}
		first, taken := holders[key]
		if !taken || first.Shared && c.Shared {
			holders[key] = c
			continue
		}
		l.atValue(first.at, fmt.Sprintf("%s is already used by %s (%s)", c.ID, c.owner, l.where(c.at, first.at))).bare()
		holders[key] = c
	}
}

// where is the place of n as it is told beside another place.
func (l *loader) where(n, beside *node) string {
	if n.src == beside.src {
		return fmt.Sprintf("line %d", n.line())
	}
	return fmt.Sprintf("%s:%d", n.src.name, n.line())
}

func (n *node) fieldsOrNone() []*node {
	if n == nil {
		return nil
	}
	return n.fields
}
