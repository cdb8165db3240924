package drivers

import (
	"errors"
	"strings"
	"testing"
)

func TestCommandBool(t *testing.T) {
	for payload, want := range map[string]bool{"on": true, "OFF": false, " true\n": true, "0": false, `"on"`: true} {
		if got, err := (Command{Payload: []byte(payload)}).Bool(); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", payload, got, err, want)
		}
	}
	for _, payload := range []string{"", "toggle", "2", "onn", strings.Repeat("x", 1<<20)} {
		_, err := Command{Payload: []byte(payload)}.Bool()
		if !errors.Is(err, ErrRefused) || len(err.Error()) > 200 {
			t.Errorf("%.20q: got %v, want a short refusal", payload, err)
		}
	}
}

func TestCommandNumber(t *testing.T) {
	if got, err := (Command{Payload: []byte(" 21.5 ")}).Number(); err != nil || got != 21.5 {
		t.Errorf("got %v, %v, want 21.5", got, err)
	}
	for _, payload := range []string{"", "on", "NaN", "inf", "1e999", "1 2"} {
		if _, err := (Command{Payload: []byte(payload)}).Number(); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: got %v, want a refusal", payload, err)
		}
	}
}
