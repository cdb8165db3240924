package config

import (
	"fmt"
	"slices"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/mapping"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/toml"
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
	if !mapping.Payload(s).Named() && len(mapping.ParseTemplate(s).Variables()) == 0 {
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

func (q *qosNumber) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	i, ok := n.Value.(int64)
	if !ok || i < 0 || i > 2 {
		return r.Wrong(n, "0, 1 or 2", "1")
	}
	*q = qosNumber(i)
	return true
}

// condition is what another channel must be: a text, or a bare true or 5.
type condition string

func (c *condition) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	switch n.Kind {
	case toml.KindString:
		*c = condition(n.Text())
	case toml.KindInteger, toml.KindFloat, toml.KindBool:
		*c = condition(drivers.Text(n.Raw()).String())
	default:
		return r.Wrong(n, "a text, a number, true or false", "")
	}
	return true
}

// topicVariables reports the variables of a topic that nobody knows.
func (l *loader) topicVariables(n *toml.Node, template string) bool {
	return l.variables(n, template, mapping.TopicVariables)
}

// variables reports the variables in template that are not among valid.
func (l *loader) variables(n *toml.Node, template string, valid []string) bool {
	ok := true
	for _, v := range mapping.ParseTemplate(template).Variables() {
		if slices.Contains(valid, v) {
			continue
		}
		ok = false
		fix := ""
		if right := l.Suggest(v, valid); right != "" {
			fix = fmt.Sprintf("%s = %q", toml.QuoteKey(n.Name), strings.ReplaceAll(template, "{"+v+"}", "{"+right+"}"))
		}
		l.AtValue(n, fmt.Sprintf("unknown variable {%s}", v), toml.Expected("one of "+braced(valid)), toml.Try(fix))
	}
	return ok
}

func braced(names []string) string {
	return "{" + strings.Join(names, "} {") + "}"
}
