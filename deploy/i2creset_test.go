package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The helper that resets a hanging bus, on a machine of files: it does what is asked by
// number, takes nothing else, and leaves a display's driver alone.
func TestI2CResetHelper(t *testing.T) {
	root := t.TempDir()
	run, sys := filepath.Join(root, "run"), filepath.Join(root, "sys")
	put := func(path, content string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, link := strings.CutPrefix(content, "@"); link {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			return
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for bus, driver := range map[string]string{"1": "i2c-bcm2835", "2": "i915"} {
		put("sys/devices/"+driver+".0/i2c-"+bus+"/name", "a bus")
		put("sys/devices/"+driver+".0/driver", "@../../drivers/"+driver)
		put("sys/drivers/"+driver+"/unbind", "")
		put("sys/drivers/"+driver+"/bind", "")
		put("sys/bus/i2c/devices/i2c-"+bus, "@../../../devices/"+driver+".0/i2c-"+bus)
	}
	put("elsewhere", "stays")
	for _, n := range []string{"1", "2", "3", "", "1x", "..", "-1", "$(id)"} {
		put("run/i2c-reset-"+n, "")
	}
	put("run/i2c-reset-9", "@"+filepath.Join(root, "elsewhere"))
	put("run/control.sock", "stays")
	helper := exec.Command("sh", "i2creset/i2c-reset")
	helper.Env = append(os.Environ(), "RUN="+run, "SYS="+sys)
	out, err := helper.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for path, want := range map[string]string{
		"sys/drivers/i2c-bcm2835/unbind": "i2c-bcm2835.0", "sys/drivers/i2c-bcm2835/bind": "i2c-bcm2835.0",
		"sys/drivers/i915/unbind": "", "sys/drivers/i915/bind": "", "elsewhere": "stays", "run/control.sock": "stays",
	} {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(run, "i2c-reset-*")); len(left) > 0 {
		t.Errorf("requests left: %q", left)
	}
	for _, want := range []string{"i2c-1: i2c-bcm2835.0 was reset", "i2c-2: i915 is not the driver of a bus alone", "i2c-3: it has no adapter", "i2c-9: it has no adapter"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "id") && strings.Contains(string(out), "$(") {
		t.Errorf("a name that is not digits was printed:\n%s", out)
	}
}

// The units have no faults, the package does not enable them, and the gateway's own unit does
// not know them.
func TestI2CResetUnitsAreOff(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "i2c-reset")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"verify", "--man=no"}
	for _, name := range []string{"sensorgate-i2c-reset.service", "sensorgate-i2c-reset.path"} {
		unit, err := os.ReadFile(filepath.Join("i2creset", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(unit), "/usr/lib/sensorgate/i2c-reset", program)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command(tool(t, "systemd-analyze"), args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for _, file := range []string{"deb/postinst", "deb/preinst", "sensorgate.service"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "i2c-reset") {
			t.Errorf("%s knows the helper", file)
		}
	}
}
