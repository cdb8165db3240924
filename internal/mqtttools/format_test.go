package mqtttools

import (
	"strings"
	"testing"
	"time"
)

// The vectors are what mosquitto_sub 2.0.11 printed for the same messages.
func TestFormatLikeMosquittoSub(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 56, 44, 843706278, time.UTC)
	object := message{topic: "a", payload: []byte(`{"x":1}`), qos: 1, id: 1}
	text := message{topic: "a", payload: []byte(`AB"`)}
	umlaut := message{topic: "a", payload: []byte("hällo")}
	empty := message{topic: "a", retain: true}
	for _, c := range []struct {
		m            message
		format, want string
	}{
		{object, "%I|%U", "2026-11-23T08:56:44+0000|1795424204.843706278"},
		{object, "%l|%m|%x|%X|%q|%r|%t", "7|1|7b2278223a317d|7B2278223A317D|1|0|a"},
		{object, "%10t|%-10t|%05l", "         a|a         |00007"},
		{object, "%10p|%-10p|", `   {"x":1}|{"x":1}   |`},
		{text, "%10p|%-10p|", `       AB"|AB"       |`},
		{umlaut, "%l %x", "6 68c3a46c6c6f"},
		{umlaut, "%10p|", "     hällo|"},
		{empty, "%p|%l|%r", "|0|1"},
		{text, `%%|\t|\\`, "%|\t|\\"},
		{text, "@Y-@m-@dT@H:@M:@S.@N @@ @s", "2026-11-23T08:56:44.843706278 @ 1795424204"},
		{object, "%j", `{"tst":"2026-11-23T08:56:44.843706Z","topic":"a","qos":1,"retain":0,"payloadlen":7,"mid":1,"payload":"{\"x\":1}"}`},
		{object, "%J", `{"tst":"2026-11-23T08:56:44.843706Z","topic":"a","qos":1,"retain":0,"payloadlen":7,"mid":1,"payload":{"x":1}}`},
		{text, "%j", `{"tst":"2026-11-23T08:56:44.843706Z","topic":"a","qos":0,"retain":0,"payloadlen":3,"payload":"AB\""}`},
		{empty, "%j", `{"tst":"2026-11-23T08:56:44.843706Z","topic":"a","qos":0,"retain":1,"payloadlen":0,"payload":null}`},
		{text, "%R%C", ""},
		{text, "%.2p", "AB"},
	} {
		if err := checkFormat(c.format); err != nil {
			t.Errorf("%q is refused: %v", c.format, err)
			continue
		}
		if got := string(formatMessage(nil, c.format, &c.m, at, false, false)); got != c.want {
			t.Errorf("%q prints as %q, want %q", c.format, got, c.want)
		}
	}
	for _, bad := range []string{"%", "%k", "%5", "@", "@k", `\`, `\q`, "%-"} {
		if checkFormat(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzFormatMessage(f *testing.F) {
	for _, s := range []string{"%t %p", "%-10t|%05l", "@Y%%@@", `\n\t`, "%99999999999p", "%.", "%00-5x"} {
		f.Add(s)
	}
	m := message{topic: "a/b", payload: []byte("x\x00\xff"), qos: 2, id: 7}
	f.Fuzz(func(t *testing.T, format string) {
		if len(format) > 200 || checkFormat(format) != nil {
			return
		}
		got := formatMessage(nil, format, &m, time.Unix(0, 0), false, false)
		if limit := (strings.Count(format, "%") + 1) * (maxWidth + 1000); len(got) > limit+len(format)*40 {
			t.Errorf("%q makes %d bytes", format, len(got))
		}
	})
}
