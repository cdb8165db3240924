package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// simOnly is the smallest gateway there is.
func simOnly(port int) string {
	return fmt.Sprintf(`
node = "barn"
[broker]
listen = ["tcp://127.0.0.1:%d"]
[device.a]
driver = "sim"
every = "100ms"
[device.a.channels]
n = { shape = "counter" }
`, port)
}

func TestOrdinaryPahoScript(t *testing.T) {
	// Debian's package belongs to Debian's python, which need not be the first in PATH.
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import paho.mqtt.client").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("skipped: no paho-mqtt for Python here (Debian package python3-paho-mqtt)")
	}
	port := freeport.Port(t)
	gateway(t, simOnly(port))
	p := start(t, python, "testdata/ordinary_script.py", fmt.Sprint(port))
	p.waitFor("test 21.5", 15*time.Second)
	if code := p.exit(5 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestOwnPubAndSub(t *testing.T) {
	port := freeport.Port(t)
	gateway(t, simOnly(port))
	sub := start(t, binary, "sub", "-p", fmt.Sprint(port), "-v", "-t", "hello/#", "-t", "barn/a/n")
	sub.waitFor("barn/a/n", 10*time.Second)
	if out, code := once(t, "pub", "-p", fmt.Sprint(port), "-t", "hello/world", "-m", "hi", "-q", "1"); code != 0 {
		t.Fatalf("pub: exit code %d: %s", code, out)
	}
	sub.waitFor("hello/world hi", 5*time.Second)
	if code := sub.stop(syscall.SIGINT); code != 0 {
		t.Errorf("sub: exit code %d after Ctrl-C, want 0", code)
	}
}

// TestForeignArchitectures starts what is shipped for ARM boards under emulation.
func TestForeignArchitectures(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	for _, arch := range []struct{ name, goarch, goarm, qemu string }{
		{"arm64", "arm64", "", "qemu-aarch64-static"},
		{"armv7", "arm", "7", "qemu-arm-static"},
		{"armv6", "arm", "6", "qemu-arm-static"},
	} {
		t.Run(arch.name, func(t *testing.T) {
			if runtime.GOARCH == arch.goarch {
				t.Skip("skipped: this machine is of that kind")
			}
			qemu := need(t, arch.qemu, "qemu-user-static")
			foreign := filepath.Join(t.TempDir(), "sensorgate")
			build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", foreign, "sensorgate/cmd/sensorgate")
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch.goarch, "GOARM="+arch.goarm)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, out)
			}
			port := freeport.Port(t)
			file := write(t, "sensorgate.toml", fmt.Sprintf("data = %q\n", t.TempDir())+simOnly(port))
			for _, args := range [][]string{{"version"}, {"check", "--config", file}} {
				out, err := exec.Command(qemu, append([]string{foreign}, args...)...).CombinedOutput()
				if err != nil {
					t.Errorf("%v: %v\n%s", args, err, out)
				}
				if args[0] == "version" && !strings.Contains(string(out), "linux/"+arch.goarch) {
					t.Errorf("version says %q, want linux/%s", out, arch.goarch)
				}
			}
			gw := start(t, qemu, foreign, "run", "--config", file)
			gw.waitFor("broker ready", 60*time.Second)
			sub := start(t, binary, "sub", "-p", fmt.Sprint(port), "-v", "-t", "barn/a/n", "-C", "1")
			sub.waitFor("barn/a/n", 60*time.Second)
			if code := gw.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}
