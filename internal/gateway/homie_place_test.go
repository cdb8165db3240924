package gateway

import "testing"

// What was published at one bridge is listed apart from another's, whatever they are called:
// Homie's own connection is called after its bridge with -homie behind it.
func TestLedgersOfBridgesAreApart(t *testing.T) {
	at := func(bridge string) *upstream {
		u := new(upstream)
		u.cfg.Name = bridge
		return u
	}
	places := map[string]bool{}
	for _, u := range []*upstream{nil, at("site"), at("site-homie"), at("local")} {
		d := &describer{name: "homeassistant", upstream: u, place: placeOf(u)}
		if places[d.ledger()] {
			t.Errorf("two have the ledger %s", d.ledger())
		}
		places[d.ledger()] = true
	}
}
