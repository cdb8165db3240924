//go:build system

package systemtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sensorgate/deploy/board"
)

const earlierConfig = `node = "barn"
[broker]
listen = ["tcp://127.0.0.1:1883"]
[device.demo]
driver = "sim"
every = "1s"
channels.level = { shape = "counter", unit = "l" }
[bridge.cloud]
urls = ["mqtt://127.0.0.1:1"]
rules = [ { dir = "out", local = "ledger/#", qos = 1 } ]
`

// The package of an earlier commit (UPGRADE_FROM) has run for a while: its configuration was edited, its store has a
// session, a retained message and a spool. It is killed, then upgraded while somebody publishes, removed and purged.
func TestUpgradeFromAnEarlierPackage(t *testing.T) {
	dir := shared(t, "amd64")
	earlier(t, dir, cmp.Or(os.Getenv("UPGRADE_FROM"), "5f3101f"))
	m := boot(t, board.Config{Arch: "amd64", Share: dir})
	m.sh("dpkg -i /host/earlier.deb")
	m.until("systemctl is-active sensorgate")
	m.write("/etc/sensorgate/sensorgate.toml", earlierConfig)
	m.sh("systemctl restart sensorgate")
	m.sh("/host/ledger park 127.0.0.1:1883 witness && /host/ledger retain 127.0.0.1:1883 old-value")
	m.sh("rm -f /run/acked; (/host/ledger publish 127.0.0.1:1883 /run/acked >/run/ledger.log 2>&1 &)")
	m.until("test $(wc -l </run/acked) -gt 200")
	m.sh("kill -KILL $(systemctl show sensorgate -P MainPID)")
	m.acknowledgedMore(100)

	t.Log(m.sh("DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /host/v1.0.0.deb 2>&1"))
	m.acknowledgedMore(100)
	m.sh("systemctl is-active sensorgate && sensorgate check --config /etc/sensorgate/sensorgate.toml")
	if got := m.sh("cat /etc/sensorgate/sensorgate.toml"); got+"\n" != earlierConfig {
		t.Errorf("the configuration is changed:\n%s", got)
	}
	m.sh("kill $(pidof ledger)")
	last := number(t, m.sh("tail -n 1 /run/acked"))
	complete(t, m.sh(fmt.Sprintf("/host/ledger fetch 127.0.0.1:1883 witness %d", last)), last)
	m.arrives("ledger/kept", "old-value")
	m.arrives("barn/demo/level", "level")
	m.spoolHas("cloud", last)
	t.Run("purge", func(t *testing.T) { purge(&machine{m.Machine, t}) })
}

// acknowledgedMore waits until so many more numbers are acknowledged.
func (m *machine) acknowledgedMore(many int) {
	m.t.Helper()
	now := number(m.t, m.sh("wc -l </run/acked"))
	m.until(fmt.Sprintf("test $(wc -l </run/acked) -gt %d", now+many))
}

// spoolHas looks whether at least so many messages wait for an upstream.
func (m *machine) spoolHas(upstream string, least int) {
	m.t.Helper()
	var status struct {
		Upstreams []struct {
			Name             string
			Waiting, Dropped int
		}
	}
	if err := json.Unmarshal([]byte(m.sh("sensorgate status --json")), &status); err != nil {
		m.t.Fatal(err)
	}
	for _, u := range status.Upstreams {
		if u.Name == upstream {
			if u.Waiting < least || u.Dropped != 0 {
				m.t.Errorf("%d messages wait for %s, %d were dropped; want %d or more, and none", u.Waiting, upstream, u.Dropped, least)
			}
			return
		}
	}
	m.t.Errorf("no upstream %s in %+v", upstream, status)
}

// earlier builds the package of a commit of this repository.
func earlier(t *testing.T, dir, commit string) {
	t.Helper()
	if err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		t.Skipf("skipped: no commit %s in this checkout (%v)", commit, err)
	}
	src, deb := t.TempDir(), filepath.Join(dir, "earlier.deb")
	script := `git -C ../.. archive "$1" | tar -x -C "$2" && cd "$2" &&
		go build -trimpath -buildvcs=false -ldflags '-s -w -X main.release=v0.9.0' -o sensorgate ./cmd/sensorgate &&
		deploy/deb/build.sh sensorgate sensorgate amd64 any v0.9.0 "$3"`
	cmd := exec.Command("bash", "-ec", script, "earlier", commit, src, deb)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "SOURCE_DATE_EPOCH=1767225600", "DEB_COMPRESSION=none")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the package of %s: %v\n%s", commit, err, out)
	}
}
