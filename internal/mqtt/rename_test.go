package mqtt

import (
	"strings"
	"testing"
)

func TestRename(t *testing.T) {
	tests := []struct {
		from, to, topic, want string
	}{
		{"barn/#", "sites/42/barn/#", "barn/grid/power", "sites/42/barn/grid/power"},
		{"barn/#", "sites/42/barn/#", "barn", "sites/42/barn"}, // # includes the parent
		{"#", "up/#", "a/b", "up/a/b"},
		{"barn/grid/+", "energy/{1}/barn", "barn/grid/power", "energy/power/barn"},
		{"barn/+/+", "x/{2}/{1}", "barn/a/b", "x/b/a"},
		{"barn/+/+/set", "cmd/+/+", "barn/pump/state/set", "cmd/pump/state"},
		{"barn/+/#", "{rest}/by/{1}", "barn/a/b/c", "b/c/by/a"},
		{"barn/+/#", "{rest}/by/{1}", "barn/a", "/by/a"}, // the slash before {1} is its own
		{"barn/#", "x/{rest}/y", "barn", "x/y"},
		{"barn/+/t", "all", "barn/a/t", "all"},
		{"barn/+/t", "{1}-{1}/t", "barn/a/t", "a-a/t"},
		{"barn/+", "v/{1}", "barn/", "v/"}, // an empty level is a level
		{"barn/#", "v/{rest}", "barn/", "v/"},
		{"a/b", "c", "a/b", "c"},
		{"a/b", "c", "a/x", ""},
		{"#", "{rest}", "$SYS/x", ""}, // [MQTT-4.7.2-1]
		{"+", "{1}", "", ""},
		{"barn/#", "{rest}", "barn", ""}, // nothing would be left
	}
	for _, tt := range tests {
		r, err := NewRenamer(tt.from, tt.to)
		if err != nil {
			t.Errorf("NewRenamer(%q, %q): %v", tt.from, tt.to, err)
			continue
		}
		got, ok := r.Rename(tt.topic)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q → %q: %q became %q, want %q", tt.from, tt.to, tt.topic, got, tt.want)
		}
	}
}

func TestRenamerRefuses(t *testing.T) {
	tests := []struct{ from, to, says string }{
		{"a/#/b", "x", "# must be the last level"},
		{"a", "", "empty"},
		{"", "a", "empty"},
		{"a/+", "b/#", "does not have"},
		{"a/+", "b/+/+", "does not have"},
		{"a/+/+", "b/+", "fewer wildcards"},
		{"a/#", "b/+", "does not have"},
		{"a/+", "b/+/{1}", "not both"},
		{"a/+", "b/{2}", `"a/+" has 1 +`},
		{"a/+", "b/{rest}", "{rest} needs a #"},
		{"a/+", "b/{0}", "{0} is not known"},
		{"a/+", "b/{01}", "{01} is not known"},
		{"a/+", "b/{device}", "{device} is not known"},
		{"a/+", "b/{1", "{ without }"},
		{"$share/g/a", "b", "shared subscription"},
	}
	for _, tt := range tests {
		_, err := NewRenamer(tt.from, tt.to)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("NewRenamer(%q, %q): got %v, want an error with %q", tt.from, tt.to, err, tt.says)
		}
	}
}

func TestReverse(t *testing.T) {
	tests := []struct{ from, to, back, topic, want string }{
		{"shared/#", "up/shared/#", "up/shared/#", "up/shared/a/b", "shared/a/b"},
		{"n/+/+/set", "cmd/{2}/{1}", "cmd/+/+", "cmd/state/pump", "n/pump/state/set"},
		{"n/+/#", "{1}/x/{rest}", "+/x/#", "a/x/b/c", "n/a/b/c"},
		{"n/+/#", "{1}/x/{rest}", "+/x/#", "a/x", "n/a"},
		{"a", "b", "b", "b", "a"},
	}
	for _, tt := range tests {
		r, err := NewRenamer(tt.from, tt.to)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Reverse()
		if err != nil {
			t.Errorf("reverse of %q → %q: %v", tt.from, tt.to, err)
			continue
		}
		if got, _ := b.Rename(tt.topic); b.Filter() != tt.back || got != tt.want {
			t.Errorf("reverse of %q → %q: filter %q and topic %q, want %q and %q", tt.from, tt.to, b.Filter(), got, tt.back, tt.want)
		}
	}
	for _, tt := range []struct{ from, to, says string }{
		{"n/+/+", "x/{1}", "{2} is left out"},
		{"n/#", "x", "{rest} is left out"},
		{"n/+", "x/{1}/{1}", "used twice"},
		{"n/+", "x/dev-{1}", "shares its level"},
		{"n/#", "x/{rest}/y", "{rest} must be the last"},
	} {
		r, err := NewRenamer(tt.from, tt.to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = r.Reverse(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("reverse of %q → %q: got %v, want an error with %q", tt.from, tt.to, err, tt.says)
		}
	}
}

func TestReverseRenamerTakesWildcardsOnEitherSide(t *testing.T) {
	for _, rule := range [][2]string{{"n/+/set", "cmd/{1}"}, {"n/{1}/set", "cmd/+"}, {"n/+/set", "cmd/+"}} {
		r, err := NewReverseRenamer(rule[0], rule[1])
		if err != nil {
			t.Fatalf("%v: %v", rule, err)
		}
		if got, _ := r.Rename("cmd/pump"); got != "n/pump/set" {
			t.Errorf("%v: cmd/pump became %q", rule, got)
		}
	}
}

func TestFiltersOverlap(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"a/#", "a/b", true},
		{"a/#", "a", true},
		{"a/+", "a", false},
		{"a/+/c", "a/b/+", true},
		{"a/+/c", "a/b/d", false},
		{"#", "$SYS/a", false},
		{"+/a", "$SYS/a", false},
		{"$SYS/#", "$SYS/a", true},
		{"+/+", "#", true},
		{"a/b/#", "a/+", true}, // both match a/b
		{"a/b/#", "+/b", true},
		{"a", "b", false},
	}
	for _, tt := range tests {
		if FiltersOverlap(tt.a, tt.b) != tt.want || FiltersOverlap(tt.b, tt.a) != tt.want {
			t.Errorf("FiltersOverlap(%q, %q) should be %v both ways", tt.a, tt.b, tt.want)
		}
	}
}

// A renamed topic is always a topic, and where there is a way back it leads back.
func FuzzRename(f *testing.F) {
	f.Add("barn/+/#", "x/{1}/{rest}", "barn/a/b")
	f.Add("barn/#", "{rest}", "barn")
	f.Add("a/+/+", "b/{2}{1}/{2}", "a//b")
	f.Add("#", "+", "$SYS")
	f.Fuzz(func(t *testing.T, from, to, topic string) {
		r, err := NewRenamer(from, to)
		if err != nil || CheckTopic(topic) != nil {
			return
		}
		renamed, ok := r.Rename(topic)
		if !ok {
			return
		}
		if err := CheckTopic(renamed); err != nil {
			t.Fatalf("%q → %q made %q of %q: %v", from, to, renamed, topic, err)
		}
		if !strings.HasPrefix(renamed, "$") && !Match(r.Result(), renamed) {
			t.Fatalf("%q → %q made %q, which is not of %q", from, to, renamed, r.Result())
		}
		back, err := r.Reverse()
		if err != nil {
			return
		}
		if again, ok := back.Rename(renamed); ok && again != topic {
			t.Fatalf("%q → %q: %q became %q and came back as %q", from, to, topic, renamed, again)
		}
	})
}

// If one topic matches both, the filters overlap.
func FuzzFiltersOverlap(f *testing.F) {
	f.Add("a/+", "a/#", "a/b")
	f.Add("#", "$SYS/+", "$SYS/x")
	f.Fuzz(func(t *testing.T, a, b, topic string) {
		if CheckFilter(a) != nil || CheckFilter(b) != nil || CheckTopic(topic) != nil {
			return
		}
		if Match(a, topic) && Match(b, topic) && !FiltersOverlap(a, b) {
			t.Fatalf("%q matches %q and %q, which are said not to overlap", topic, a, b)
		}
	})
}
