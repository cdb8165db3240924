package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxExposure is the promise of the README; mosquitto's unit has 9.6.
const maxExposure = 1.5

// tool returns the path of a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s on this machine", name)
	}
	return path
}

func TestUnitExposure(t *testing.T) {
	out, err := exec.Command(tool(t, "systemd-analyze"), "security", "--offline=true", "--no-pager", "sensorgate.service").CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("systemd-analyze is older than 250: no --offline")
	}
	m := regexp.MustCompile(`exposure level for sensorgate.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no score: %v\n%s", err, out)
	}
	score, _ := strconv.ParseFloat(string(m[1]), 64)
	if score > maxExposure {
		t.Errorf("exposure %.1f, want at most %.1f\n%s", score, maxExposure, out)
	}
	t.Logf("exposure %.1f", score)
}

// systemd only warns of a setting that it does not know, and goes on without the
// protection that was meant.
func TestUnitHasNoFaults(t *testing.T) {
	dir := t.TempDir()
	unit, err := os.ReadFile("sensorgate.service")
	if err != nil {
		t.Fatal(err)
	}
	// verify looks whether the program exists.
	program := filepath.Join(dir, "sensorgate")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sensorgate.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(unit), "/usr/bin/sensorgate", program)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool(t, "systemd-analyze"), "verify", "--man=no", path).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// A path in DeviceAllow is looked up once, at start: an adapter that is plugged in
// later would be refused until the next start.
func TestUnitAllowsDevicesByClass(t *testing.T) {
	unit, err := os.ReadFile("sensorgate.service")
	if err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`(?m)^DeviceAllow=(\S+)`).FindAllStringSubmatch(string(unit), -1)
	if len(allowed) == 0 {
		t.Fatal("no DeviceAllow in the unit")
	}
	for _, m := range allowed {
		if !strings.HasPrefix(m[1], "char-") {
			t.Errorf("DeviceAllow=%s: want a class such as char-ttyUSB", m[1])
		}
	}
}

func TestUdevRulesHaveNoFaults(t *testing.T) {
	out, err := exec.Command(tool(t, "udevadm"), "verify", "60-sensorgate.rules").CombinedOutput()
	if strings.Contains(string(out), "Unknown command") {
		t.Skip("udevadm is older than 254: no verify")
	}
	if err != nil {
		t.Errorf("udevadm verify: %v\n%s", err, out)
	}
}

// The user, its groups and the directories in a system that has none of them.
func TestSysusersAndTmpfiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: files get owners")
	}
	root := t.TempDir()
	for _, dir := range []string{"etc", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	place(t, "sensorgate.sysusers", filepath.Join(root, "usr/lib/sysusers.d/sensorgate.conf"))
	place(t, "sensorgate.tmpfiles", filepath.Join(root, "usr/lib/tmpfiles.d/sensorgate.conf"))
	for _, cmd := range [][]string{
		{"systemd-sysusers", "--root=" + root, "sensorgate.conf"},
		{"systemd-tmpfiles", "--root=" + root, "--create", "sensorgate.conf"},
	} {
		if out, err := exec.Command(tool(t, cmd[0]), cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd[0], err, out)
		}
	}
	groups, err := os.ReadFile(filepath.Join(root, "etc/group"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dialout", "i2c", "gpio", "spi"} {
		if !regexp.MustCompile(`(?m)^` + name + `:[^:]*:\d+:sensorgate$`).Match(groups) {
			t.Errorf("sensorgate is not in group %s:\n%s", name, groups)
		}
	}
	for dir, want := range map[string]os.FileMode{"etc/sensorgate": 0o750, "etc/sensorgate/conf.d": 0o750, "etc/sensorgate/credentials": 0o700} {
		info, err := os.Stat(filepath.Join(root, dir))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", dir, info.Mode().Perm(), want)
		}
	}
}

func place(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
