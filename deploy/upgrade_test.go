package deploy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUpgradeFrom: the package of an earlier commit is installed, its program fills a store,
// dies, and is upgraded to today's package. Configuration and everything acknowledged must be
// there; then remove and purge. make upgrade-test; UPGRADE_FROM names the commit.
func TestUpgradeFrom(t *testing.T) {
	commit := os.Getenv("UPGRADE_FROM")
	if commit == "" {
		t.Skip("skipped: builds two packages; make upgrade-test")
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: dpkg runs maintainer scripts in a chroot: needs root")
	}
	for _, name := range []string{"git", "dpkg-deb", "mosquitto_sub", "mosquitto_pub"} {
		tool(t, name)
	}
	dir := t.TempDir()
	run(t, "bash", "-c", fmt.Sprintf("mkdir %[1]s/src && git -C .. archive %[2]s | tar -x -C %[1]s/src", dir, commit))
	old := packageOf(t, filepath.Join(dir, "src"), filepath.Join(dir, "old.deb"), "v0.9.0")
	today := packageOf(t, "..", filepath.Join(dir, "new.deb"), "v1.0.0")

	r := newScratchRoot(t)
	before := r.files()
	r.dpkg("-i", old)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	store := filepath.Join(r.dir, "var/lib/sensorgate")
	edited := fmt.Sprintf(`node = "barn"
data = %q
[broker]
listen = ["tcp://127.0.0.1:%s"]
[device.demo]
driver = "sim"
every = "1s"
channels.level = { shape = "counter", unit = "l" }
[bridge.cloud]
urls = ["mqtt://127.0.0.1:1"]
rules = [ { dir = "out", local = "orders/#", qos = 1 } ]
`, store, port)
	r.write("etc/sensorgate/sensorgate.toml", edited)
	config, program := filepath.Join(r.dir, "etc/sensorgate/sensorgate.toml"), filepath.Join(r.dir, "usr/bin/sensorgate")
	panel := []string{"-p", port, "-c", "-i", "panel", "-q", "1", "-t", "orders/#"}

	kill := startGateway(t, program, config, port)
	run(t, "mosquitto_sub", append(panel, "-E")...)
	for i := range 10 {
		run(t, "mosquitto_pub", "-p", port, "-q", "1", "-t", "orders/a", "-m", fmt.Sprint("order ", i))
	}
	run(t, "mosquitto_pub", "-p", port, "-q", "1", "-r", "-t", "kept", "-m", "retained")
	kill()

	r.dpkg("--force-confold", "-i", today)
	r.has("etc/sensorgate/sensorgate.toml", edited)
	run(t, program, "check", config)
	kill = startGateway(t, program, config, port)
	if got := run(t, "mosquitto_sub", append(panel, "-C", "10", "-W", "30")...); strings.Count(got, "order ") != 10 || !strings.HasPrefix(got, "order 0\n") {
		t.Errorf("the session of the old program has %q", got)
	}
	if got := run(t, "mosquitto_sub", "-p", port, "-t", "kept", "-C", "1", "-W", "30"); got != "retained\n" {
		t.Errorf("retained by the old program: %q", got)
	}
	if got := run(t, program, "status", "-c", config); !regexp.MustCompile(`cloud .* 10 \(`).MatchString(got) {
		t.Errorf("the spool of the old program is not there:\n%s", got)
	}
	kill()
	r.dpkg("-r", "sensorgate")
	r.has("etc/sensorgate/sensorgate.toml", edited)
	r.dpkg("-P", "sensorgate")
	for _, path := range r.files() {
		if strings.Contains(path, "sensorgate") && !contains(before, path) {
			t.Errorf("purge left %s", path)
		}
	}
}

// waitFor waits until a file is there, which another program makes.
func waitFor(t *testing.T, path string) {
	t.Helper()
	for limit := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) { // there is nothing to wait on
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s is not there after two minutes", path)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// packageOf builds the package of a source tree for this machine.
func packageOf(t *testing.T, src, deb, version string) string {
	t.Helper()
	binary := deb + ".bin"
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.release="+version, "-o", binary, "./cmd/sensorgate")
	build.Dir = src
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", src, err, out)
	}
	pack := exec.Command("deploy/deb/build.sh", binary, binary, "amd64", "any", version, deb)
	pack.Dir = src
	pack.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767323045", "DEB_COMPRESSION=none")
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", src, err, out)
	}
	return deb
}

// startGateway runs an installed program until it is killed, without a word before.
func startGateway(t *testing.T, program, config, port string) (kill func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "--config", config)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	for limit := time.Now().Add(60 * time.Second); ; {
		nc, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			nc.Close()
			return kill
		}
		if time.Now().After(limit) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not listen: %v\n%s", program, err, text)
		}
		time.Sleep(50 * time.Millisecond) // another process: there is nothing to wait on
	}
}
