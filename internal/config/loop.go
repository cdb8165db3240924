package config

// ruleAt is a rule with its place.
type ruleAt struct {
	Rule
	bridge string
	n      *node
}

// loops reports rules that send a message round in a circle.
func (l *loader) loops() {}
