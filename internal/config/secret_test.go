package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/internal/toml"
)

func TestSecretRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pass")
	for text, want := range map[string]string{"hush": "hush", "hush\n": "hush", "hush\r\n": "hush", "two\nlines\n": "two\nlines", " kept ": " kept ", "": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := (Secret{File: file}).Read(); got != want || err != nil {
			t.Errorf("file with %q gives %q, %v", text, got, err)
		}
	}
	t.Setenv("SECRET_OF_TEST", "from env\n")
	if got, err := (Secret{Env: "SECRET_OF_TEST"}).Read(); got != "from env\n" || err != nil {
		t.Errorf("env gives %q, %v", got, err)
	}
	if _, err := (Secret{Env: "SECRET_THAT_IS_NOT_SET"}).Read(); err == nil {
		t.Error("an unset variable is taken for an empty password")
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(file, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Secret{Credential: "pass"}).Read(); got != "hush" || err != nil {
		t.Errorf("credential gives %q, %v", got, err)
	}
	if _, err := (Secret{Credential: "../pass"}).Read(); err == nil {
		t.Error("a credential leads out of its folder")
	}
	if err := os.WriteFile(file, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Secret{File: file}).Read(); err == nil {
		t.Error("a huge file is taken for a password")
	}
}

// Whatever else is wrong with such a line, the password does not get into a log.
func TestSecretsAreNotShown(t *testing.T) {
	for _, line := range []string{
		`password = "hush-hush"; x`, `urls = ["mqtt://u:hush-hush@host", 5]`, `password = 'hush-hush' y`, `PASSWORD="hush-hush"`,
		`"password" = "hush-hush"`, `o = { 'token' = 'hush-hush' }`, `password = "a\"hush-hush"`, `password = "hush-hush`, `password = 'hush-hush`,
		`password = hush-hush # mine`, `password = """hush "hush" """`, `secret = '''it's hush'''`, `password = "hush\`,
	} {
		shown := toml.WithoutSecrets(line)
		if strings.Contains(shown, "hush") || len(shown) != len(line) {
			t.Errorf("%s is shown as %s", line, shown)
		}
	}
	for _, line := range []string{`password = { file = "a" }`, `passwords = "passwd"`, `token = { credential = "x" } # here`, `urls = ["mqtt://host:1883"]`} {
		if shown := toml.WithoutSecrets(line); shown != line {
			t.Errorf("%s is shown as %s", line, shown)
		}
	}
	_, ps, _ := loadText(t, "[bridge.a]\nurls = [\"mqtt://u:hush-hush@h\", 5]\npassword = \"hush-hush\"\nrules = [ { dir = \"out\", local = \"a\" } ]\n")
	var b strings.Builder
	ps.WriteText(&b, false)
	if strings.Contains(b.String(), "hush") {
		t.Errorf("shown:\n%s", b.String())
	}
	// The fault is in the middle of it.
	_, ps, _ = loadText(t, "[bridge.a]\npassword = \"\"\"\nhush-hush \\q hush\n\"\"\"\n")
	b.Reset()
	ps.WriteText(&b, false)
	if len(ps) == 0 || strings.Contains(b.String(), "hush") {
		t.Errorf("shown:\n%s", b.String())
	}
	data, err := ps[0].MarshalJSON()
	if err != nil || strings.Contains(string(data), "hush") {
		t.Errorf("JSON: %s %v", data, err)
	}
}
