package broker

import (
	"sensorgate/internal/mqtt"
)

// aliasesOut are the topic aliases that we set towards one connection: the first topics
// that it gets have one, for as long as it lasts (3.3.2.3.4, v5).
type aliasesOut struct {
	max uint16
	ids map[string]uint16
}

// use returns the topic as it is to be written, and the properties with the alias. nil
// uses none.
func (a *aliasesOut) use(props []byte, topic string) ([]byte, string) {
	if a == nil {
		return props, topic
	}
	if id, ok := a.ids[topic]; ok {
		return mqtt.AppendTopicAlias(props, id), ""
	}
	if len(a.ids) >= int(a.max) {
		return props, topic
	}
	id := uint16(len(a.ids) + 1)
	a.ids[topic] = id
	return mqtt.AppendTopicAlias(props, id), topic
}

func newAliasesOut(limit uint16) *aliasesOut {
	if limit == 0 {
		return nil
	}
	return &aliasesOut{max: min(limit, maxAliases), ids: map[string]uint16{}}
}

// maxAliases is how many topic aliases a client may set (3.2.2.3.8, v5).
const maxAliases = 64
