package config

import (
	"testing"

	"sensorgate/bridge"
	"sensorgate/internal/toml/tomltest"
)

// Every example of our own tables can be typed: its key takes it.
func TestExamplesOfOurTablesCanBeTyped(t *testing.T) {
	typed := tomltest.Examples(t, topTable{}, brokerTable{}, listenEntry{}, defaultJournal(), defaultHistory(), defaultWeb(), defaultHomeAssistant(), defaultHomie(),
		HADevice{}, HAChannel{}, deviceTable{}, channelTable{}, bridgeTable{}, secretTable{}, bridge.TLSFiles{}, statusTable{}, ruleTable{})
	if typed < 60 {
		t.Errorf("only %d examples", typed)
	}
}
