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

// Whichever way a secret is written, and however broken the file is: nobody reads it in a
// browser, and what is saved is what was there.
func TestNoWayOfWritingShowsASecret(t *testing.T) {
	for _, text := range []string{
		"password = \"\"\"hush\"\"\"\n",
		"password = \"\"\"\nhush\nhush \"hush\" \\\"\"\" hush\n\"\"\"\nevery = \"1s\"\n",
		"[a]\ntoken = '''\nhush\n[device.hush]\n'hush'\n'''\n[b]\ntoken = \"hush\"\n",
		"password = \"\"\"hush\nkey = \"hush\"\n", // not closed: all behind it is the secret
		"password = '''hush\nhush",
		"password = \"\"\"hush\\",
		"password = \"hush\nevery = \"1s\"\n",
		"password = \"hush\\\nevery = \"1s\"\n",
		"password = 'hush\nevery = \"1s\"\n",
		"password = hush # mine\n",
		"\"password\" = \"\"\"hush\"\"\"\n",
		"options = { 'token' = 'hush', other = 1 }\n",
		"options = { token = hush }\n",
		"token = [\"hush\", 'hu]sh', \"hush]hush\"]\n",
		"token = [\n  \"hush\",\n  \"hush\",\n]\n",
		"token = [\"hush\nevery = \"1s\"\n",
		"url = \"http://host/read?token=hush&unit=1\"\n",
		"url = \"\"\"http://ann:hush@host/\"\"\"\n",
		"url = \"http://ann:hu'hush@hush@host/\"\n",
		"#password = \"hush\"\n",
		"password=\"\"\"\r\nhush\r\n\"\"\"\r\n",
	} {
		shown := Hide(text)
		if strings.Contains(shown, "hush") || strings.Contains(shown, "hu]") {
			t.Errorf("%q is shown as %q", text, shown)
		}
		if again := Hide(shown); again != shown {
			t.Errorf("%q is shown as %q, and that as %q", text, shown, again)
		}
		if back, err := Unhide(shown, text); err != nil || back != text {
			t.Errorf("%q came back as %q (%v)", text, back, err)
		}
	}
	for _, text := range []string{
		"password = { file = \"a\" }\n", "passwords = \"passwd\"\n", "token = { credential = \"x\" } # here\n",
		"urls = [\"mqtt://host:1883\"]\n", "password =\n[device.b]\n", "url = \"http://host:80/a@b\"\n",
	} {
		if shown := Hide(text); shown != text {
			t.Errorf("%q has no secret and is shown as %q", text, shown)
		}
	}
}

// What is hidden and put back is what it was, whatever the text.
func FuzzHide(f *testing.F) {
	f.Add(withSecrets)
	f.Add("password = \"a\" # password = \"b\"\n[x]\npassword=''")
	f.Add("://a:b@://c:d@\ntoken = \"…\"")
	f.Add("token = \"\"\"a\n[x]\n\\\"\"\"\"\"\"\npassword = [\"]\", 'a'\n]\nsecret=x#")
	f.Add("://u:token=a/b,c@d\n://u:token=[a/b]c@\n://token=a/b#x:c@\n://u:token='a/b'c@")
	f.Fuzz(func(t *testing.T, text string) {
		back, err := Unhide(Hide(text), text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if back != text {
			t.Errorf("%q became %q", text, back)
		}
		if shown := Hide(text); Hide(shown) != shown {
			t.Errorf("%q is shown as %q, and that as %q", text, shown, Hide(shown))
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
