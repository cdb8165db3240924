package broker

import (
	"sensorgate/broker/budget"
	"sensorgate/internal/mqtt"
)

// aliasesOut are the topic aliases that we set towards one connection: the first topics
// that it gets have one, for as long as it lasts (3.3.2.3.4, v5) and the budget has room for
// them.
type aliasesOut struct {
	max uint16
	ids map[string]uint16
	fee int64 // bytes that the account has for them; guarded by the session's mu
}

// use returns the topic as it is to be written, and the properties with the alias. nil
// uses none.
func (a *aliasesOut) use(account *budget.Account, props []byte, topic string) ([]byte, string) {
	if a == nil {
		return props, topic
	}
	if id, ok := a.ids[topic]; ok {
		return mqtt.AppendTopicAlias(props, id), ""
	}
	if len(a.ids) >= int(a.max) {
		return props, topic
	}
	fee := int64(len(topic)) + aliasOutCost
	if !account.Charge(budget.Aliases, fee) {
		a.max = uint16(len(a.ids)) // it is not asked for again with every message
		return props, topic
	}
	a.fee += fee
	id := uint16(len(a.ids) + 1)
	a.ids[topic] = id
	return mqtt.AppendTopicAlias(props, id), topic
}

// paid returns the bytes that the account has for the aliases.
func (a *aliasesOut) paid() int64 {
	if a == nil {
		return 0
	}
	return a.fee
}

func newAliasesOut(limit uint16) *aliasesOut {
	if limit == 0 {
		return nil
	}
	return &aliasesOut{max: min(limit, maxAliases), ids: map[string]uint16{}}
}

// maxAliases is how many topic aliases a client may set (3.2.2.3.8, v5).
const maxAliases = 64
