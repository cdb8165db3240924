package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/internal/disk"
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
