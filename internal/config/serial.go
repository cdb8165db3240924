package config

import (
	"fmt"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/toml"
)

func (l *loader) serialBuses(n *toml.Node) {
	l.each(n, func(n *toml.Node) {
		l.buses[n.Name] = n
		if err := validName(n.Name); err != nil {
			l.AtKey(n, err.Error())
		}
		var options any
		if l.cat.SerialBus != nil {
			options = l.cat.SerialBus()
		}
		l.options(n, n, options)
		l.claim(n, options)
		l.cfg.Serial = append(l.cfg.Serial, SerialBus{Name: n.Name, Options: options, text: toml.TextOf(n)})
	})
}

// options decodes one table into a driver's options and our own, and has them
// checked. What could be decoded is there also when it reports false.
func (l *loader) options(n, base *toml.Node, options any, ours ...any) bool {
	if !l.Table(n, append([]any{options}, ours...)...) {
		return false
	}
	return l.checked(n, base, options)
}

func (l *loader) checked(n, base *toml.Node, options any) bool {
	c, ok := options.(drivers.Checker)
	if !ok || l.Guessing {
		return true
	}
	err := c.Check()
	if err == nil {
		return true
	}
	l.OptionError(base, n, err)
	return false
}

// claimed is one use of something that there is once.
type claimed struct {
	drivers.Claim
	owner string
	at    *toml.Node
}

// claim enters what a device or bus occupies.
func (l *loader) claim(n *toml.Node, options any) {
	c, ok := options.(drivers.Claimer)
	if !ok {
		return
	}
	for _, claim := range c.Claims() {
		at, given := toml.Lookup(n, claim.Key)
		if claim.ID == "" || !given || at.Kind == toml.KindBroken {
			continue // a fault that was reported, or a default
		}
		if claim.Kind == "bus" {
			l.useBus(at, claim.ID)
			continue
		}
		l.claims = append(l.claims, claimed{claim, n.Path(), at})
		if claim.Kind == "serial" {
			l.stablePort(at, claim.ID)
		}
	}
}

// useBus checks that there is a bus of that name.
func (l *loader) useBus(at *toml.Node, name string) {
	if l.buses[name] != nil {
		l.used[name] = true
		return
	}
	var names, places []string
	for _, f := range l.root.Field("serial").Keys() {
		names = append(names, f)
		places = append(places, fmt.Sprintf("%s (line %d)", f, l.root.Field("serial").Field(f).Line()))
	}
	text := fmt.Sprintf("no [serial.*] is called %q", name)
	if len(names) == 0 {
		l.AtValue(at, text, toml.Try(fmt.Sprintf("[serial.%s] with port and line, above", toml.QuoteKey(name))))
		return
	}
	fix := toml.Nearest(name, names)
	if fix == "" && len(names) == 1 {
		fix = names[0]
	}
	if fix != "" {
		fix = fmt.Sprintf("%s = %q", at.Name, fix)
		// Whoever misspelled it meant to use it: no second fault about an unused bus.
		l.used[strings.Trim(strings.SplitN(fix, "= ", 2)[1], `"`)] = true
	}
	l.AtValue(at, text, toml.Defined(strings.Join(places, ", ")), toml.Try(fix))
}

func (l *loader) unusedBuses() {
	for _, n := range l.root.Field("serial").FieldsOrNone() {
		if n.Kind == toml.KindTable && !l.used[n.Name] {
			l.AtKey(n, "no device uses this bus", toml.Try(fmt.Sprintf("bus = %q in a device, or take the table out", n.Name)))
		}
	}
}

// stablePort warns of names that the kernel hands out in the order of plugging in.
func (l *loader) stablePort(at *toml.Node, port string) {
	if !strings.HasPrefix(port, "/dev/ttyUSB") && !strings.HasPrefix(port, "/dev/ttyACM") {
		return
	}
	fix := ""
	if l.cat.StablePort != nil {
		if stable := l.cat.StablePort(port); stable != "" {
			fix = fmt.Sprintf("%s = %q   (plugged in now)", at.Name, stable)
		}
	}
	if fix == "" {
		fix = "sensorgate scan serial"
	}
	l.AtValue(at, port+" can change after a reboot", toml.Try(fix)).HideLine().Warn()
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
		l.AtValue(first.at, fmt.Sprintf("%s is already used by %s (%s)", c.ID, c.owner, l.where(c.at, first.at))).HideLine()
		holders[key] = c
	}
}

// where is the place of n as it is written beside another place.
func (l *loader) where(n, beside *toml.Node) string {
	if n.Source == beside.Source {
		return fmt.Sprintf("line %d", n.Line())
	}
	return fmt.Sprintf("%s:%d", n.Source.Name, n.Line())
}
