package homeassistant

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"sensorgate/internal/describe"
	"sensorgate/internal/mapping"
)

// text is s as a text of a Jinja template.
func text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

// value is the expression for what stands at a place of a payload. Members are taken by
// their names in brackets: value_json.values would be the method of that name.
func value(p mapping.Place) string {
	e := "value"
	if p.Path != nil {
		e = "value_json"
	}
	for i, step := range p.Path {
		switch name, isName := step.(string); {
		case isName && p.Partial && i == len(p.Path)-1:
			e += ".get(" + text(name) + ")"
		case isName && name == "value" && len(p.Path) == 1:
			e += ".value"
		case isName:
			e += "[" + text(name) + "]"
		default:
			e += fmt.Sprintf("[%d]", step)
		}
	}
	from, to := utf8.RuneCountInString(p.Before), utf8.RuneCountInString(p.After)
	switch {
	case from > 0 && to > 0:
		e += fmt.Sprintf("[%d:-%d]", from, to)
	case from > 0:
		e += fmt.Sprintf("[%d:]", from)
	case to > 0:
		e += fmt.Sprintf("[:-%d]", to)
	}
	return e
}

// maxState is how long a state may be; a longer one is not taken.
const maxState = 255

// template renders a value as an entity's state; "" is the payload as it is. What a
// message of the whole device lacks leaves the entity as it was: a number that is empty is
// ignored, a text is said again.
func template(c *describe.Channel, numeric bool) string {
	p, v := c.Place, value(c.Place)
	if p.Path == nil && p.Before == "" && p.After == "" && !p.Partial && (numeric || c.Values != nil) {
		if c.Type == describe.TypeBoolean {
			return onOff(v, "'off'")
		}
		return ""
	}
	missing := "this.state"
	if numeric {
		missing = "''"
	}
	shown := v
	switch {
	case c.Type == describe.TypeBoolean:
		shown = "'on' if " + truth(v) + " else 'off'"
	case !numeric && c.Values == nil:
		shown = fmt.Sprintf("(%s | string)[:%d]", v, maxState)
	}
	if !p.Partial {
		return "{{ " + shown + " }}"
	}
	if shown != v {
		shown = strings.ReplaceAll(shown, v, "v")
		return "{% set v = " + v + " %}{{ " + missing + " if " + absent + " else (" + shown + ") }}"
	}
	return "{% set v = " + v + " %}{{ " + missing + " if " + absent + " else v }}"
}

// absent: null, or null inside of a text.
const absent = "v in (none, 'null')"

func truth(v string) string { return v + " in (true, 'true')" }

func onOff(v, off string) string { return "{{ 'on' if " + truth(v) + " else " + off + " }}" }

// eventTemplate renders the JSON that an event has to be.
func eventTemplate(c *describe.Channel) string {
	v := value(c.Place)
	shown := v
	if c.Type == describe.TypeBoolean {
		shown = "'on' if " + truth(v) + " else 'off'"
	}
	if !c.Place.Partial {
		return `{"event_type": "{{ ` + shown + ` }}"}`
	}
	return "{% set v = " + v + " %}{% if v not in (none, 'null') %}" + `{"event_type": "{{ ` + strings.ReplaceAll(shown, v, "v") + ` }}"}` + "{% endif %}"
}

// deviceAvailable is the template for a device's status topic, channelAvailable the same
// for one of its channels: a failing channel makes only its own entity unavailable.
const deviceAvailable = "{{ 'online' if value_json.state in ('starting','ok','degraded') else 'offline' }}"

func channelAvailable(channel string) string {
	return "{{ 'online' if value_json.state in ('starting','ok','degraded') and " + text(channel) + " not in value_json.get('channels', {}) else 'offline' }}"
}
