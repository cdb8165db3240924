//go:build system

package systemtest

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/deploy/board"
)

// machine is a running board whose /host is a folder with the package and the ledger.
type machine struct {
	*board.Machine
	t *testing.T
}

func boot(t *testing.T, c board.Config) *machine {
	t.Helper()
	c.RootFS = rootOf(t, c.Arch)
	c.CPUs = 2 // systemd on one is twice as slow
	c.Output = io.Discard
	// QEMU's own SMBus adapter would come first at some boots and second at others.
	c.Append += " initcall_blacklist=i2c_i801_init"
	dir, err := os.MkdirTemp("", "sg") // short: it holds UNIX sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := board.New(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	m := &machine{b, t}
	m.on()
	return m
}

// rootOf is the Debian that a machine boots; without all that a machine needs the test is skipped.
func rootOf(t *testing.T, arch string) string {
	t.Helper()
	if err := board.Ready(arch); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("skipped: no qemu-img here (Debian package qemu-utils)")
	}
	image := "../board/cache/rootfs-" + suite() + "-" + arch + ".img"
	if _, err := os.Stat(image); err != nil {
		t.Skipf("%v (try: make %s)", err, "deploy"+strings.TrimPrefix(image, ".."))
	}
	return image
}

// suite is the release of Debian that is tried.
func suite() string { return cmp.Or(os.Getenv("SUITE"), "bookworm") }

func (m *machine) on() {
	m.t.Helper()
	if err := m.Boot(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Logf("booted in %v", m.BootTime.Round(100*time.Millisecond))
}

// sh runs a command line that must succeed.
func (m *machine) sh(line string) string {
	m.t.Helper()
	out, rc, err := m.Run(line)
	if err != nil {
		m.t.Fatalf("$ %s\n%v", line, err)
	}
	if rc != 0 {
		m.t.Fatalf("$ %s\n%s\nexit code %d\n%s", line, out, rc, m.logs())
	}
	return out
}

// limit is for whatever has to happen: what counts is that it does, and the machine is emulated by one that is busy with
// other things.
const limit = 10 * time.Minute

// until repeats a command line until it succeeds; how soon that was is logged.
func (m *machine) until(line string) string {
	m.t.Helper()
	start := time.Now()
	for {
		out, rc, err := m.Run(line)
		if err != nil {
			m.t.Fatalf("$ %s\n%v", line, err)
		}
		if rc == 0 {
			m.t.Logf("after %v: %s", time.Since(start).Round(100*time.Millisecond), line)
			return out
		}
		if time.Since(start) > limit {
			m.t.Fatalf("not within %v: %s\n%s\n%s", limit, line, out, m.logs())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (m *machine) logs() string {
	out, _, _ := m.Run("systemctl status sensorgate --no-pager -n 0; journalctl -u sensorgate --no-pager -o cat -n 40")
	return out
}

func (m *machine) ctl(format string, args ...any) string {
	m.t.Helper()
	out, err := m.Ctl(format, args...)
	if err != nil {
		m.t.Fatalf("board: "+format+": %v", append(args, err)...)
	}
	return out
}

// arrives waits for a message on a topic of the broker whose payload has the text.
func (m *machine) arrives(topic, text string) {
	m.t.Helper()
	m.until(fmt.Sprintf("timeout 20 /host/ledger watch 127.0.0.1:1883 '%s' 2>&1 | grep -m1 -F -e '%s'", topic, text))
}

// show is one property of the service.
func (m *machine) show(property string) string {
	m.t.Helper()
	return m.sh("systemctl show sensorgate -P " + property)
}

// shared builds what the machine sees as /host: two versions of the package, the
// second newer, and the ledger. What nobody can boot is not built.
func shared(t *testing.T, arch string) string {
	t.Helper()
	rootOf(t, arch)
	dir := t.TempDir()
	native := filepath.Join(dir, "native")
	goBuild(t, "", native, "../../cmd/sensorgate", "v1.0.0")
	for _, v := range []string{"v1.0.0", "v1.0.1"} {
		binary := filepath.Join(dir, "sensorgate-"+v)
		goBuild(t, arch, binary, "../../cmd/sensorgate", v)
		cmd := exec.Command("../deb/build.sh", binary, native, arch, "any", v, filepath.Join(dir, v+".deb"))
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600", "DEB_COMPRESSION=none")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("package: %v\n%s", err, out)
		}
	}
	goBuild(t, arch, filepath.Join(dir, "ledger"), "./ledger", "")
	return dir
}

func goBuild(t *testing.T, arch, out, pkg, version string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.release="+version, "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+arch)
	}
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", pkg, err, msg)
	}
}

// write makes a file on the machine; its agent takes one line at a time.
func (m *machine) write(path, text string) {
	m.t.Helper()
	quoted := strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "\n", `\n`)
	quoted = strings.ReplaceAll(quoted, "'", `'\''`)
	m.sh("mkdir -p $(dirname " + path + ") && printf '%b' '" + quoted + "' > " + path)
}
