package config

import "testing"

func TestSuggest(t *testing.T) {
	valid := []string{"driver", "every", "gpio", "input", "unit", "line", "topic", "temperature"}
	l := newLoader(fakeCatalogue())
	for wrong, want := range map[string]string{
		"evry": "every", "pin": "gpio", "interval": "every", "slave_id": "unit", "baud": "line", "topic_prefix": "topic",
		"Driver": "driver", "temprature": "temperature", "tempearture": "temperature", "xyzzy": "", "adress": "input", "tpoic": "topic",
	} {
		if got := l.Suggest(wrong, valid); got != want {
			t.Errorf("for %q: %q, want %q", wrong, got, want)
		}
	}
}
