//go:build system

package systemtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/deploy/board"
)

// devices are three real ones on the board's buses beside what the package's own
// configuration has: a chip on I2C, a converter on USB, an input on a GPIO chip.
const devices = `
[device.attic]
driver = "bme280"
i2c    = "0:0x76"
every  = "1s"

[device.scale]
driver = "lines"
serial = { port = "/dev/ttyUSB0", line = "9600 8N1" }
match  = '^W (?P<weight>\d+\.\d+)$'
[device.scale.channels]
weight = { unit = "kg" }

[device.door]
driver = "input"
gpio   = "EXT1"
active = "high"
`

func TestServiceOnAMD64(t *testing.T) { service(t, "amd64") }
func TestServiceOnARM64(t *testing.T) { service(t, "arm64") }

// service is an installed gateway from start to removal. The steps follow each other on one
// machine; the clock starts in 1970, as on a board without a battery.
func service(t *testing.T, arch string) {
	m := boot(t, board.Config{Arch: arch, Share: shared(t, arch), RTC: "1970-01-01T00:00:00"})
	steps := []struct {
		name string
		do   func(*machine)
	}{
		{"install", install},
		{"values arrive", valuesArrive},
		{"killed", killed},
		{"hangs", hangs},
		{"adapter unplugged", unplugged},
		{"broken configuration", brokenConfiguration},
		{"upgrade", upgrade},
		{"reboot", reboot},
		{"purge", purge},
	}
	for _, s := range steps {
		if !t.Run(s.name, func(t *testing.T) { s.do(&machine{m.Machine, t}) }) {
			return // the rest would fail for the same reason
		}
	}
}

func install(m *machine) {
	m.t.Log(m.sh("dpkg -i /host/v1.0.0.deb"))
	// As shipped, without an edit: it must start and be seen.
	m.until("systemctl is-active sensorgate")
	m.arrives("+/demo/#", "/demo/")
	if got := m.sh("systemctl is-enabled sensorgate"); got != "enabled" {
		m.t.Errorf("after the installation the service is %s, want enabled", got)
	}
	for path, want := range map[string]string{
		"/var/lib/sensorgate": "700 sensorgate:sensorgate",
		"/etc/sensorgate":     "750 root:sensorgate",
	} {
		if got := m.sh("stat -c '%a %U:%G' " + path); got != want {
			m.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if got := m.sh("ss -Hltn | awk '{print $4}' | sort | xargs"); got != "127.0.0.1:1883 127.0.0.1:8880" {
		m.t.Errorf("listening on %q, want the broker and the page, for this machine alone", got)
	}
	m.t.Log(m.sh("systemd-analyze security sensorgate --no-pager | tail -n 1"))
}

func valuesArrive(m *machine) {
	m.ctl("set bme280 celsius 31.25")
	m.write("/etc/sensorgate/conf.d/devices.toml", devices)
	m.sh("sensorgate check --config /etc/sensorgate/sensorgate.toml && systemctl reload sensorgate")
	m.arrives("+/attic/temperature", "31.2")
	m.scaleSays("12.5")
	m.arrives("+/door/#", "/door/")
	m.t.Log("status: ", m.show("StatusText"))
}

// scaleSays sends a line into the USB adapter from outside until it is published.
func (m *machine) scaleSays(weight string) {
	m.t.Helper()
	m.sh("rm -f /run/weight; (timeout 600 /host/ledger watch 127.0.0.1:1883 '+/scale/weight' >/run/weight 2>&1 &)")
	for start := time.Now(); time.Since(start) < limit; time.Sleep(300 * time.Millisecond) {
		m.ctl(`serial usb0 send W %s\n`, weight)
		if _, rc, err := m.Run("grep -q -F '" + weight + "' /run/weight"); err == nil && rc == 0 {
			return
		}
	}
	m.t.Fatalf("%s kg never arrived\n%s", weight, m.logs())
}

func killed(m *machine) {
	before, pid := m.restarts(), m.show("MainPID")
	m.sh("kill -KILL " + pid)
	m.until("test $(systemctl show sensorgate -P MainPID) -gt 0 -a $(systemctl show sensorgate -P MainPID) != " + pid)
	m.until("systemctl is-active sensorgate")
	if got := m.restarts(); got != before+1 {
		m.t.Errorf("%d restarts, want %d", got, before+1)
	}
	m.arrives("+/attic/temperature", "31.2")
}

func (m *machine) restarts() int {
	n, err := strconv.Atoi(m.show("NRestarts"))
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// hangs stops the process where it stands. It still exists and holds its port; only
// the watchdog can notice. Shorter times than shipped, or the test takes a minute.
func hangs(m *machine) {
	m.write("/etc/systemd/system/sensorgate.service.d/fast.conf", "[Service]\nWatchdogSec=20\nTimeoutAbortSec=5\n")
	m.sh("systemctl daemon-reload && systemctl restart sensorgate")
	before := m.restarts()
	m.sh("kill -STOP $(systemctl show sensorgate -P MainPID)")
	m.until("journalctl -u sensorgate --no-pager -o cat | grep -F 'Watchdog timeout'")
	m.until("test $(systemctl show sensorgate -P NRestarts) -gt " + strconv.Itoa(before))
	m.until("systemctl is-active sensorgate")
	m.arrives("+/attic/temperature", "31.2")
	// And while it works it is not killed: twice the watchdog's time.
	before = m.restarts()
	time.Sleep(40 * time.Second)
	if got := m.restarts(); got != before {
		m.t.Errorf("a working gateway was restarted %d times\n%s", got-before, m.logs())
	}
	m.sh("rm -r /etc/systemd/system/sensorgate.service.d && systemctl daemon-reload && systemctl restart sensorgate")
}

// unplugged: the adapter goes and comes back under DevicePolicy=closed; nothing may
// need a restart, and the others go on meanwhile.
func unplugged(m *machine) {
	before := m.restarts()
	m.ctl("usb unplug")
	m.until("systemctl show sensorgate -P StatusText | grep -F scale")
	m.t.Log("status: ", m.show("StatusText"))
	m.arrives("+/attic/temperature", "31.2")
	m.ctl("usb plug")
	m.scaleSays("77.5")
	if got := m.restarts(); got != before {
		m.t.Errorf("%d restarts for an adapter", got-before)
	}
}

func brokenConfiguration(m *machine) {
	pid := m.show("MainPID")
	m.write("/etc/sensorgate/conf.d/broken.toml", "[device.x]\ndriver = \"bme820\"\n")
	if out, rc, _ := m.Run("systemctl reload sensorgate"); rc == 0 {
		m.t.Errorf("reload took a broken file: %s", out)
	}
	if got := m.show("MainPID"); got != pid {
		m.t.Errorf("a refused reload changed the process from %s to %s", pid, got)
	}
	m.arrives("+/attic/temperature", "31.2")
	// An upgrade must not stop a gateway that could not start again.
	out := m.sh("dpkg -i /host/v1.0.0.deb 2>&1")
	if !strings.Contains(out, "refuses the configuration") || m.show("MainPID") != pid {
		m.t.Errorf("an upgrade with a broken configuration: process %s, was %s\n%s", m.show("MainPID"), pid, out)
	}
	// At a start there is nothing that could go on: it fails once and is not restarted.
	if _, rc, _ := m.Run("systemctl restart sensorgate"); rc == 0 {
		m.t.Error("it started on a broken file")
	}
	time.Sleep(5 * time.Second) // RestartSec is 2
	if got := m.show("ActiveState") + " " + m.show("ExecMainStatus") + " " + m.show("NRestarts"); got != "failed 2 0" {
		m.t.Errorf("on a broken file the service is %q, want failed, exit code 2, no restart", got)
	}
	m.sh("rm /etc/sensorgate/conf.d/broken.toml && systemctl start sensorgate")
}

// upgrade installs a newer version while a publisher works. What was acknowledged
// waits in a persistent session and must be there afterwards, each once or more, in
// order, with no gap.
func upgrade(m *machine) {
	m.sh("/host/ledger park 127.0.0.1:1883 witness")
	m.sh("rm -f /run/acked; (/host/ledger publish 127.0.0.1:1883 /run/acked >/run/ledger.log 2>&1 &)")
	m.until("test $(wc -l </run/acked) -gt 200")
	m.sh("dpkg -i /host/v1.0.1.deb")
	if got := m.sh("sensorgate version"); !strings.HasPrefix(got, "sensorgate version v1.0.1 ") {
		m.t.Errorf("after the upgrade: %s", got)
	}
	m.sh("test -s /etc/sensorgate/conf.d/devices.toml")
	then := number(m.t, m.sh("wc -l </run/acked"))
	m.until(fmt.Sprintf("test $(wc -l </run/acked) -gt %d", then+200))
	m.sh("kill $(pidof ledger); sleep 1")
	last := number(m.t, m.sh("tail -n 1 /run/acked"))
	got := m.sh(fmt.Sprintf("/host/ledger fetch 127.0.0.1:1883 witness %d", last))
	complete(m.t, got, last)
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// complete checks that 1 to last are all there, first deliveries in order.
func complete(t *testing.T, fetched string, last int) {
	t.Helper()
	have := 0
	for line := range strings.Lines(fetched) {
		n := number(t, line)
		if n > have+1 {
			t.Fatalf("after %d comes %d: lost or out of order (%d were acknowledged)", have, n, last)
		}
		have = max(have, n)
	}
	if have < last {
		t.Errorf("%d were acknowledged, %d are there", last, have)
	}
	t.Logf("%d acknowledged, %d there", last, have)
}

func reboot(m *machine) {
	if err := m.PowerOff(); err != nil {
		m.t.Fatal(err)
	}
	m.on()
	m.until("systemctl is-active sensorgate")
	m.arrives("+/attic/temperature", "31.2")
	m.t.Log(m.sh("systemctl show sensorgate -P StatusText; systemd-analyze critical-chain sensorgate.service --no-pager | head -n 4; date"))
}

func purge(m *machine) {
	m.sh("dpkg -r sensorgate && test -s /etc/sensorgate/sensorgate.toml && test -d /var/lib/sensorgate")
	if _, rc, _ := m.Run("systemctl is-active sensorgate"); rc == 0 {
		m.t.Error("still active after remove")
	}
	m.sh("dpkg -P sensorgate")
	if left, _, _ := m.Run("find / -xdev -iname '*sensorgate*' -not -path '/proc/*' -not -path '/host/*' -not -path '/var/log/*'; getent passwd sensorgate; getent group sensorgate"); left != "" {
		m.t.Errorf("purge left:\n%s", left)
	}
	m.sh("systemctl daemon-reload && test $(systemctl list-units --all 'sensorgate*' --no-legend | wc -l) = 0")
}
