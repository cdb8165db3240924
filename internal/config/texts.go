package config

import (
	"fmt"
	"slices"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
)

// topicText is the template of a topic; its variables depend on where it stands.
type topicText string

func (t *topicText) UnmarshalText(text []byte) error {
	*t = topicText(text)
	plain := mapping.ParseTemplate(string(text)).Expand(func(string) (string, bool) { return "x", true })
	return mqtt.CheckTopic(plain)
}

// optionalTopic is a topicText that may be empty: no topic at all.
type optionalTopic string

func (t *optionalTopic) UnmarshalText(text []byte) error {
	*t = optionalTopic(text)
	if len(text) == 0 {
		return nil
	}
	return new(topicText).UnmarshalText(text)
}

// payloadText is json, plain or a template.
type payloadText mapping.Payload

func (p *payloadText) UnmarshalText(text []byte) error {
	*p = payloadText(text)
	s := string(text)
	if s != string(mapping.JSON) && s != string(mapping.Plain) && len(mapping.ParseTemplate(s).Variables()) == 0 {
		return fmt.Errorf("found %q, expected json, plain or a text with {value}", s)
	}
	return nil
}

// kindText is the kind of a channel.
type kindText drivers.Kind

var kinds = map[string]drivers.Kind{"gauge": drivers.Gauge, "total": drivers.Total, "state": drivers.State, "event": drivers.Event}

func (k *kindText) UnmarshalText(text []byte) error {
	kind, ok := kinds[string(text)]
	if !ok {
		return fmt.Errorf("found %q, expected one of gauge, total, state, event", text)
	}
	*k = kindText(kind)
	return nil
}

// publishText is "channel" or "device".
type publishText string

func (p *publishText) UnmarshalText(text []byte) error {
	if s := string(text); s != "channel" && s != "device" {
		return fmt.Errorf("found %q, expected channel (a message for each) or device (one for all)", s)
	}
	*p = publishText(text)
	return nil
}

// qosNumber is 0, 1 or 2.
type qosNumber byte

func (q *qosNumber) decodeNode(r *reporter, n *node) bool {
	i, ok := n.value.(int64)
	if !ok || i < 0 || i > 2 {
		return r.wrong(n, "0, 1 or 2", "1")
	}
	*q = qosNumber(i)
	return true
}

// condition is what another channel must be: a text, or a bare true or 5.
type condition string

func (c *condition) decodeNode(r *reporter, n *node) bool {
	switch n.kind {
	case kindString:
		*c = condition(n.text())
	case kindInteger, kindFloat, kindBool:
		*c = condition(drivers.Text(n.raw()).String())
	default:
		return r.wrong(n, "a text, a number, true or false", "")
	}
	return true
}

// topicVariables reports the variables of a topic that nobody knows.
func (l *loader) topicVariables(n *node, template string) bool {
	return l.variables(n, template, mapping.TopicVariables)
}

// variables reports the variables in template that are not among valid.
func (l *loader) variables(n *node, template string, valid []string) bool {
	ok := true
	for _, v := range mapping.ParseTemplate(template).Variables() {
		if slices.Contains(valid, v) {
			continue
		}
		ok = false
		fix := ""
		if right := suggest(v, valid); right != "" {
			fix = fmt.Sprintf("%s = %q", quoteKey(n.name), strings.ReplaceAll(template, "{"+v+"}", "{"+right+"}"))
		}
		l.atValue(n, fmt.Sprintf("unknown variable {%s}", v), expected("one of "+braced(valid)), try(fix))
	}
	return ok
}

func braced(names []string) string {
	return "{" + strings.Join(names, "} {") + "}"
}
