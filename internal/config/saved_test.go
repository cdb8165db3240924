package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// savedIn writes a main file that names a data folder, and files in that.
func savedIn(t testing.TB, main string, saved map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data", "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range saved {
		write(filepath.Join(dir, "data", "conf.d", name), text)
	}
	path := filepath.Join(dir, "sensorgate.toml")
	write(path, "node = \"n\"\ndata = \""+filepath.Join(dir, "data")+"\"\n"+main)
	return path
}

const someDevice = "[device.saved]\ndriver = \"w1\"\nid = \"28-1\"\n"

// What the page has saved is read like any other file of conf.d.
func TestSavedFilesAreRead(t *testing.T) {
	path := savedIn(t, "", map[string]string{"a.toml": someDevice, "not-toml.txt": "x", ".hidden.toml": "x"})
	c, ps := Load(path, fakeCatalogue())
	if c == nil || len(c.Devices) != 1 || c.Devices[0].Name != "saved" || len(c.Files) != 2 {
		t.Fatalf("%+v, %v", c, ps)
	}
	if data, ok := DataDir(path, fakeCatalogue()); !ok || data != filepath.Join(filepath.Dir(path), "data") {
		t.Errorf("the data folder is %q, %v", data, ok)
	}
	if c, ps = Load(savedIn(t, someDevice, map[string]string{"a.toml": someDevice}), fakeCatalogue()); c != nil || !strings.Contains(ps.Error(), "two files") {
		t.Errorf("a device that is in the main file, too: %v", ps)
	}
}

// A saved file may add a listener and a key of [web], and take nothing away.
func TestListenersOfSeveralFilesAddUp(t *testing.T) {
	path := savedIn(t, "[web]\nlisten = [\"http://127.0.0.1:8880\"]\n[broker]\nlisten = [\"tcp://127.0.0.1:1\"]\n", map[string]string{
		"a.toml": "[web]\nlisten = [\"http://127.0.0.2:8881\"]\nreadings = true\n", "b.toml": "[broker]\nlisten = [\"tcp://127.0.0.1:2\"]\n",
	})
	c, ps := Load(path, fakeCatalogue())
	if c == nil || len(c.Web.Listeners) != 2 || !c.Web.Readings || len(c.Broker.Listeners) != 2 {
		t.Fatalf("%+v %v", c, ps)
	}
	path = savedIn(t, "[web]\nreadings = false\n", map[string]string{"a.toml": "[web]\nreadings = true\n"})
	if c, ps := Load(path, fakeCatalogue()); c != nil || !strings.Contains(ps.Error(), "two files") {
		t.Errorf("a key twice: %v", ps)
	}
}

// A file that came over the network names no secret, no key and no store.
func TestSavedFilesNameNoSecrets(t *testing.T) {
	for _, text := range []string{
		"data = \"/tmp\"\n",
		"[broker]\npasswords = \"/etc/passwd\"\n",
		"[broker]\nacl = \"\"\n",
		"[broker]\nkey = \"/etc/ssl/private/x.key\"\n",
		"[broker]\nlisten = [{ url = \"tls://:8883\", key = \"/x.key\" }]\n",
		"[web]\nkey = \"/x.key\"\n",
		"[web]\ntokens = \"/x\"\n",
		"web.tokens = \"/x\"\n",
		"[bridge.x]\nurls = [\"mqtts://evil\"]\npassword = { file = \"/etc/shadow\" }\n",
		"[bridge.x]\nurls = [\"mqtts://evil\"]\n\"password\" = { env = \"HOME\" }\n",
		"[bridge.x]\nurls = [\"mqtts://evil\"]\ntls.key = \"/x\"\n",
		"[bridge.password]\nurls = [\"mqtts://evil\"]\n[bridge.password.password]\ncredential = \"x\"\n",
	} {
		c, ps := Load(savedIn(t, "", map[string]string{"a.toml": text}), fakeCatalogue())
		if c != nil || !strings.Contains(ps.Error(), "not in a file of the data folder") || ps[0].Line == 0 || ps[0].Column == 0 {
			t.Errorf("%q: %v", text, ps)
		}
	}
	for _, text := range []string{
		strings.ReplaceAll(someDevice, "saved", "password"),
		someDevice + "[device.saved.channels]\ntoken = {}\n",
	} {
		if c, ps := Load(savedIn(t, "", map[string]string{"a.toml": text}), fakeCatalogue()); c == nil && strings.Contains(ps.Error(), "data folder") {
			t.Errorf("a name that people gave: %q: %v", text, ps)
		}
	}
}

func TestDraftsCountInPlaceOfFiles(t *testing.T) {
	path := savedIn(t, "", map[string]string{"a.toml": someDevice})
	saved := filepath.Join(filepath.Dir(path), "data", "conf.d")
	devices := func(ds ...Draft) int {
		c, ps := LoadDrafts(path, ds, fakeCatalogue())
		if c == nil {
			t.Fatal(ps)
		}
		return len(c.Devices)
	}
	if n := devices(Draft{Name: filepath.Join(saved, "b.toml"), Text: strings.NewReplacer("saved", "other", "28-1", "28-2").Replace(someDevice)}); n != 2 {
		t.Errorf("with a new file %d devices", n)
	}
	if n := devices(Draft{Name: filepath.Join(saved, "a.toml"), Gone: true}); n != 0 {
		t.Errorf("without the file %d devices", n)
	}
	if n := devices(Draft{Name: filepath.Join(saved, "a.toml"), Text: ""}); n != 0 {
		t.Errorf("with an empty file %d devices", n)
	}
	if _, ps := LoadDrafts(path, []Draft{{Name: path, Text: "nodde = 1\n"}}, fakeCatalogue()); !ps.Errors() || ps[0].File != path {
		t.Errorf("a broken main file: %v", ps)
	}
}

// Whatever somebody sends: the store stays where it is, and no secret is named.
func FuzzSavedFile(f *testing.F) {
	f.Add(someDevice)
	f.Add("[bridge.x]\nurls = [\"mqtts://h\"]\nrules = [{dir=\"out\",local=\"#\"}]\npassword.file = '/x'\n")
	f.Add("\"data\" = '/tmp'\n[broker]\n'passwords' = \"/x\"\nlisten=[{url='tls://:1',cert='a',\"key\"='b'}]")
	f.Add("[web]\nlisten = ['https://:1']\ncert = 'a'\n\"ke\\u0079\" = 'b'\n")
	path := savedIn(f, "", nil)
	f.Fuzz(func(t *testing.T, text string) {
		c, ps := LoadDrafts(path, []Draft{{Name: filepath.Join(filepath.Dir(path), "data", "conf.d", "x.toml"), Text: text}}, fakeCatalogue())
		if c == nil {
			if !ps.Errors() {
				t.Errorf("%q: refused without a reason", text)
			}
			return
		}
		if c.Data != filepath.Join(filepath.Dir(path), "data") || c.Broker.Passwords != "" || c.Broker.ACL != "" || c.Web.Tokens != "" {
			t.Errorf("%q: %+v", text, c)
		}
		for _, b := range c.Bridges {
			if b.Secret != (Secret{}) || b.TLS.Key != "" {
				t.Errorf("%q: the bridge %s has a secret", text, b.Name)
			}
		}
	})
}
