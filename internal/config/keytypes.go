package config

import (
	"sensorgate/internal/journal"
	"sensorgate/internal/toml"
)

// What our own types of keys are called, and their JSON Schema.

func enum(words ...string) (string, toml.Object) { return "text", toml.Object{"enum": words} }

func (kindText) KeyType() (string, toml.Object)    { return enum("gauge", "total", "state", "event") }
func (publishText) KeyType() (string, toml.Object) { return enum("channel", "device") }
func (dirText) KeyType() (string, toml.Object)     { return enum("out", "in", "both") }
func (policyText) KeyType() (string, toml.Object) {
	return enum("drop-oldest", "drop-newest", "refuse")
}

func (p policyText) DefaultText() string {
	for name, policy := range policies {
		if policy == journal.Policy(p) {
			return `"` + name + `"`
		}
	}
	return ""
}

func (qosNumber) KeyType() (string, toml.Object) {
	return "0, 1 or 2", toml.Object{"enum": []int{0, 1, 2}}
}

func (condition) KeyType() (string, toml.Object) {
	return "text", toml.Object{"anyOf": []toml.Object{{"type": "string"}, {"type": "number"}, {"type": "boolean"}}}
}

func (listenEntry) KeyType() (string, toml.Object) {
	type plain listenEntry
	text := toml.Object{"type": "string", "pattern": "^(tcp|tls|ws|wss|unix)://"}
	return "text or table", toml.Object{"anyOf": []toml.Object{text, toml.SchemaOf(plain{})}}
}

func (ruleTable) KeyType() (string, toml.Object) {
	type plain ruleTable
	return "table", toml.SchemaOf(plain{})
}

func (Secret) KeyType() (string, toml.Object) {
	s := toml.SchemaOf(secretTable{})
	s["minProperties"], s["maxProperties"] = 1, 1
	return "table", s
}

func (Secret) DefaultText() string { return "" }
