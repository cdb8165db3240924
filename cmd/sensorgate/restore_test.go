package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
)

// archive makes a backup of files; "" as a name is backup.json.
func archive(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o600, Size: int64(len(f[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const aHead = `{"node":"barn","main":"sensorgate.toml"}`

// What an archive names lies in the folders of the configuration and of the store, or
// nothing of it is written.
func TestRestoreWritesNowhereElse(t *testing.T) {
	for _, name := range []string{"config/../outside", "store/../outside", "config/a/../../outside", "../outside", "/outside"} {
		dir := filepath.Join(t.TempDir(), "etc")
		file := filepath.Join(t.TempDir(), "backup.tar.gz")
		text := archive(t, [2]string{"backup.json", aHead}, [2]string{name, "x"})
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := with(t, "", "restore", file, "-c", filepath.Join(dir, "sensorgate.toml"))
		if err == nil || !strings.Contains(err.Error(), "is not a file of a backup") {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "outside")); err == nil {
			t.Errorf("%s was written outside", name)
		}
	}
}

// A backup that is damaged anywhere, cut or empty is no backup.
func TestDamagedBackupIsNotRestored(t *testing.T) {
	dir := t.TempDir()
	conf := "config/sensorgate.toml"
	good := archive(t, [2]string{"backup.json", aHead}, [2]string{conf, "node = \"barn\"\ndata = \"\"\n"})
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // in gzip's checksum
	for name, b := range map[string][]byte{"empty": archive(t), "a bit": flipped, "cut": good[:len(good)-9]} {
		file := filepath.Join(dir, "backup.tar.gz")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := with(t, "", "restore", file, "-c", filepath.Join(dir, "sensorgate.toml")); err == nil {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// A store that a gateway has open is left alone, with --force too.
func TestStoreInUseIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := disk.OS{}.Lock(filepath.Join(store, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	precious := filepath.Join(store, "precious")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "backup.tar.gz")
	b := archive(t, [2]string{"backup.json", aHead}, [2]string{"config/sensorgate.toml", "node = \"barn\"\ndata = \"" + store + "\"\n"}, [2]string{"store/new", "y"})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := with(t, "", "restore", file, "--force", "-c", filepath.Join(dir, "sensorgate.toml")); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error("the store of a gateway that runs was replaced")
	}
}

// restoring writes an archive of files and restores it beside a configuration in dir; it returns
// what was printed.
func restoring(t *testing.T, dir string, flags []string, files ...[2]string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.tar.gz")
	if err := os.WriteFile(file, archive(t, files...), 0o600); err != nil {
		t.Fatal(err)
	}
	return with(t, "", append([]string{"restore", file, "-c", filepath.Join(dir, "sensorgate.toml")}, flags...)...)
}

// On a new card the gateway of the package has run already, and made a store and a configuration: the
// recipe of docs/recipes.md works all the same, and what was there is kept.
func TestRestoreOnACardWhoseGatewayHasRun(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	head := `{"node":"barn","main":"sensorgate.toml","data":"` + store + `"}`
	j, err := journal.Open(journal.Options{Dir: store, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"sensorgate.toml": "# of the package\ndata = \"" + store + "\"\n", "store/mark": "fresh", "conf.d/other.toml": "[device.a]\ndriver = \"sim\"\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := restoring(t, dir, nil, [2]string{"backup.json", head}, [2]string{"config/sensorgate.toml", "data = \"" + store + "\"\n[device.a]\ndriver = \"sim\"\n"}, [2]string{"config/conf.d/own.toml", "[device.b]\ndriver = \"sim\"\n"}, [2]string{"store/new", "y"})
	if err != nil || !strings.Contains(out, "is kept in "+store+"/before-restore-") {
		t.Fatalf("%q, %v", out, err)
	}
	kept, err := filepath.Glob(filepath.Join(store, "before-restore-*/mark"))
	if err != nil || len(kept) != 1 {
		t.Errorf("of what was there before: %v, %v", kept, err)
	}
	if _, err := os.Stat(filepath.Join(store, "mark")); err == nil {
		t.Error("a file of the store before is among those of the backup")
	}
	if text, err := os.ReadFile(filepath.Join(dir, "sensorgate.toml.before-restore")); err != nil || !strings.HasPrefix(string(text), "# of the package") {
		t.Errorf("the configuration that was there: %q, %v", text, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "conf.d", "*"))
	if err != nil || len(files) != 2 || filepath.Base(files[0]) != "other.toml.before-restore" || filepath.Base(files[1]) != "own.toml" {
		t.Errorf("files of conf.d: %v, %v; want that of the backup alone to count", files, err)
	}
	if stamps, err := stampsOf(store); err != nil || len(stamps) != 1 {
		t.Errorf("the next backup has %v, %v; want what was restored", stamps, err)
	}
}

// The node's name is written down where it was the old board's host name, and only there: a file of conf.d
// may have it.
func TestNodeIsNamedOnceAfterARestore(t *testing.T) {
	for _, c := range []struct{ main, more, want string }{
		{"data = \"\"\n", "node = \"barn\"\n", "data = \"\"\n"},
		{"data = \"\"\n", "[broker]\nlisten = []\n", "node = \"barn\"    # the host name of the board that the backup is of\ndata = \"\"\n"},
		{"node = \"barn\"\n", "[broker]\nlisten = []\n", "node = \"barn\"\n"},
	} {
		dir := t.TempDir()
		out, err := restoring(t, dir, nil, [2]string{"backup.json", aHead}, [2]string{"config/sensorgate.toml", c.main}, [2]string{"config/conf.d/more.toml", c.more})
		text, rerr := os.ReadFile(filepath.Join(dir, "sensorgate.toml"))
		if err != nil || rerr != nil || string(text) != c.want {
			t.Errorf("%q and %q become %q, want %q (%v, %v, %s)", c.main, c.more, text, c.want, err, rerr, out)
		}
	}
}
