package board

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Debian's cpio reads what the kernel will: the same format, an independent reader.
func TestInitramfsIsAnArchive(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio (Debian package cpio)")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"busybox": "not really", "prog": "odd", "extra file": strings.Repeat("x", 4097)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	c := Config{Program: filepath.Join(dir, "prog"), Args: []string{"-run", "it's"}, Env: []string{"A=b c"}, Files: []string{filepath.Join(dir, "extra file")}}
	if err := initramfs(&b, filepath.Join(dir, "busybox"), filepath.Join(dir, "bzImage"), c); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	cmd := exec.Command(cpio, "-idm", "--quiet")
	cmd.Dir, cmd.Stdin = out, bytes.NewReader(b.Bytes())
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, text)
	}
	for name, want := range map[string]string{
		"bin/busybox": "not really", "t/prog": "odd", "t/extra file": strings.Repeat("x", 4097), "init": string(initScript),
		"t/run": "export A='b c'\nexec /t/prog '-run' 'it'\\''s'\n",
	} {
		got, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestMissingFilesAreReported(t *testing.T) {
	var b bytes.Buffer
	if err := initramfs(&b, filepath.Join(t.TempDir(), "none"), "", Config{}); err == nil {
		t.Error("an archive without a busybox was made")
	}
	if err := Ready("mips"); err == nil {
		t.Error("a machine that is not known is ready")
	}
}
