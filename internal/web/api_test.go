package web

import (
	"encoding/json"
	"testing"
)

// Numbers are numbers, truths are truths, times are RFC 3339.
func TestChannelsHaveTypedValues(t *testing.T) {
	s := newServed(t, nil)
	var all []struct {
		Name  string
		Value any
		Time  string
	}
	if err := json.Unmarshal(s.ask("loopback", "GET", api+"/channels", "").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].Value != 21.5 || all[1].Value != true || all[2].Value != nil || all[0].Time != "2026-11-30T08:00:00Z" {
		t.Errorf("%+v", all)
	}
}
