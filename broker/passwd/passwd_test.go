package passwd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestHashVerify(t *testing.T) {
	h := Hash([]byte("secret"))
	if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash is %q", h)
	}
	if !Verify(h, []byte("secret")) || Verify(h, []byte("Secret")) || Verify(h, nil) {
		t.Error("argon2id: right password refused, or wrong one taken")
	}
	if h == Hash([]byte("secret")) {
		t.Error("the same salt twice")
	}
}

func TestVerifyWhatMosquittoPasswdWrites(t *testing.T) {
	tool, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Skip("no mosquitto_passwd (Debian package mosquitto)")
	}
	path := filepath.Join(t.TempDir(), "passwd")
	if out, err := exec.Command(tool, "-c", "-b", path, "ann", "pw").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !Verify(f["ann"], []byte("pw")) || Verify(f["ann"], []byte("pw2")) {
		t.Errorf("hash %q not verified", f["ann"])
	}
}

func TestParseRefusesWhatIsNotWhole(t *testing.T) {
	good := "ann:" + Hash([]byte("x"))
	for name, data := range map[string]string{
		"empty":          "",
		"comments only":  "# nobody\n\n",
		"no colon":       good + "\nbob\n",
		"no hash":        good + "\nbob:\n",
		"cut off":        good[:len(good)-30],
		"plain text":     "bob:secret\n",
		"SHA-512 salted": "bob:$6$abcd$efgh\n",
		"twice":          good + "\n" + good + "\n",
		"no user":        ":" + Hash([]byte("x")),
		"huge memory":    "bob:$argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"no iterations":  "bob:$7$0$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		if f, err := Parse([]byte(data)); err == nil {
			t.Errorf("%s: taken as %d users", name, len(f))
		} else if strings.Contains(err.Error(), "$argon2id$v") {
			t.Errorf("%s: the error shows a hash: %v", name, err)
		}
	}
}

func TestSaveLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	want := File{"ann": Hash([]byte("1")), "bob": Hash([]byte("2"))}
	if err := want.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	got, err := Load(path)
	if err != nil || len(got) != 2 || got["ann"] != want["ann"] || got["bob"] != want["bob"] {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("ann:$7$101$SqCHqA2hxYVdBzWe$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"))
	f.Add([]byte("ann:$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		for user, hash := range file {
			if CheckUser(user) != nil || Check(hash) != nil {
				t.Errorf("took %q:%q", user, hash)
			}
		}
	})
}
