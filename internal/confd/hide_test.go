package confd

import (
	"errors"
	"strings"
	"testing"
)

const withSecrets = `[device.a]
url = "http://ann:s3cret@host/x"   # kept
options = { token = "t0ken", other = "x", password = 'p w' }
[device.b]
token = "t0ken"
password = "q\"uote"
`

func TestSecretsAreHiddenAndSurviveTheWayToAPage(t *testing.T) {
	shown := Hide(withSecrets)
	for _, s := range []string{"s3cret", "t0ken", "p w", "uote"} {
		if strings.Contains(shown, s) {
			t.Errorf("%q is shown:\n%s", s, shown)
		}
	}
	edited := strings.Replace(shown, `other = "x"`, `other = "yy"`, 1)
	edited = strings.Replace(edited, "[device.b]\n", "[device.b]\nevery = \"1s\"\n", 1)
	back, err := Unhide(edited, withSecrets)
	want := strings.Replace(withSecrets, "[device.b]\n", "[device.b]\nevery = \"1s\"\n", 1)
	want = strings.Replace(want, `other = "x"`, `other = "yy"`, 1)
	// What stands between two secrets of a line belongs to the place of the second.
	if !errors.Is(err, ErrHidden) {
		t.Errorf("a secret moved behind other words: %q, %v", back, err)
	}
	edited = strings.Replace(edited, `other = "yy"`, `other = "x"`, 1)
	want = strings.Replace(want, `other = "yy"`, `other = "x"`, 1)
	if back, err = Unhide(edited, withSecrets); err != nil || back != want {
		t.Errorf("saved:\n%s\nwant:\n%s (%v)", back, want, err)
	}
}

// A secret that is shown nowhere cannot be sent to another place by whoever may not see it.
func TestHiddenSecretIsNotMoved(t *testing.T) {
	for _, text := range []string{
		"[device.evil]\ntoken = \"…\"\n",
		"[device.b]\nother_token = \"…\"\n",
		"[device.a]\nurl = \"http://ann:…@evil/x\"\nurl = \"http://bob:…@host\"\n",
		"[device.b]\ntoken = \"…\"\ntoken = \"…\"\n",
	} {
		if got, err := Unhide(text, withSecrets); !errors.Is(err, ErrHidden) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
	if got, err := Unhide("token = \"new\"\n", withSecrets); err != nil || got != "token = \"new\"\n" {
		t.Errorf("a new secret: %q %v", got, err)
	}
}

// What is hidden and put back is what it was, whatever the text.
func FuzzHide(f *testing.F) {
	f.Add(withSecrets)
	f.Add("password = \"a\" # password = \"b\"\n[x]\npassword=''")
	f.Add("://a:b@://c:d@\ntoken = \"…\"")
	f.Fuzz(func(t *testing.T, text string) {
		back, err := Unhide(Hide(text), text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if back != text {
			t.Errorf("%q became %q", text, back)
		}
	})
}

// Whatever is on the disk: a record is one of a file of the folder, or none.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":1,"file":"a.toml","time":"2026-11-30T08:00:00Z","gone":true,"text":"","kept":true}`))
	f.Add([]byte(`{"file":"../a.toml"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err == nil && (strings.ContainsAny(r.File, "/\x00") || CheckName(r.File) != nil) {
			t.Errorf("%q leads to %q", b, r.File)
		}
	})
}
