//go:build system

package systemtest

import (
	"bytes"
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/deploy/board"
	"sensorgate/deploy/board/crash"
)

const cuts = 20

// vouched is a number that the gateway had acknowledged when the log of the disk's
// writes was this long; the log is looked at after the number, so never too early.
type vouched struct {
	number int
	end    int64
}

// The power goes at 20 random moments of a gateway under load, and with it what the
// disk had not been asked to flush: all of it, none of it or a random part. Each time
// the gateway must start on what is left, and have every number that it acknowledged.
func TestPowerCuts(t *testing.T) {
	dir := shared(t, "amd64")
	m := boot(t, board.Config{Arch: "amd64", Share: dir, DataMB: 256})
	m.ctl("serial ttyS1 sink")
	m.storeOnItsOwnDisk()
	m.sh("/host/ledger park 127.0.0.1:1883 witness")
	m.sh("stty -F /dev/ttyS1 raw -echo; (setsid /host/ledger publish 127.0.0.1:1883 /dev/ttyS1 >/run/ledger.log 2>&1 &)")
	acks := m.collect(1000)
	m.PowerCut()

	log, err := crash.ReadLog(m.DataLog())
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	for log[first].End < acks[0].end {
		first++
	}
	t.Logf("%d numbers acknowledged, %d writes and flushes of the disk", acks[len(acks)-1].number, len(log))
	rnd := rand.New(rand.NewSource(time.Now().UnixNano()))
	image := filepath.Join(m.Dir, "crash.img")
	want := 0
	for i := range cuts {
		at, mode := first+rnd.Intn(len(log)-first), crash.Mode(i%crash.Modes)
		want = 0
		for _, a := range acks {
			if a.end <= log[at].End {
				want = a.number
			}
		}
		if err := crash.Image(m.DataStart(), image, log, crash.Cut{At: at + 1, Mode: mode, Seed: uint64(i)}); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("cut %d after %d of %d, mode %d", i, at+1, len(log), mode), func(t *testing.T) {
			complete(t, afterCut(t, dir, image, want), want)
		})
	}
	// And once the real thing: the machine starts on the disk as the last cut left it.
	if err := os.Rename(image, filepath.Join(m.Dir, "data.img")); err != nil {
		t.Fatal(err)
	}
	m.on()
	m.sh("systemctl stop sensorgate; mount /dev/vdb /var/lib/sensorgate && systemctl start sensorgate")
	t.Logf("on the board itself: %s", m.show("StatusText"))
	complete(t, m.sh(fmt.Sprintf("/host/ledger fetch 127.0.0.1:1883 witness %d", want)), want)
}

// storeOnItsOwnDisk installs the package and starts the service with the store on the
// machine's second disk.
func (m *machine) storeOnItsOwnDisk() {
	m.t.Helper()
	m.sh("dpkg -i /host/v1.0.0.deb && systemctl stop sensorgate && mount /dev/vdb /var/lib/sensorgate && chown sensorgate: /var/lib/sensorgate")
	m.write("/etc/sensorgate/sensorgate.toml", cutConfig("127.0.0.1:1883", "/var/lib/sensorgate"))
	m.sh("systemctl start sensorgate")
}

// The disk takes no more data, and the journal's commit waits forever, while the
// broker goes on. The process is alive and busy; it must be ended all the same.
func TestStuckDiskIsNoticed(t *testing.T) {
	m := boot(t, board.Config{Arch: "amd64", Share: shared(t, "amd64"), DataMB: 256})
	m.write("/etc/systemd/system/sensorgate.service.d/fast.conf", "[Service]\nWatchdogSec=20\nTimeoutAbortSec=5\n")
	m.storeOnItsOwnDisk()
	// Somebody has to want the disk: a commit loop without work has nothing to hang on.
	m.sh("/host/ledger park 127.0.0.1:1883 witness; (setsid /host/ledger publish 127.0.0.1:1883 /run/acked >/run/ledger.log 2>&1 &)")
	m.sh("sleep 30; test $(systemctl show sensorgate -P NRestarts) = 0") // a disk that works is not too slow
	m.sh("fsfreeze -f /var/lib/sensorgate")
	m.until("journalctl -u sensorgate --no-pager -o cat | grep -F 'Watchdog timeout'")
	m.sh("journalctl -u sensorgate --no-pager -o cat | grep -F 'no progress' | grep -F part=journal")
	m.sh("fsfreeze -u /var/lib/sensorgate")
	m.until("test $(systemctl show sensorgate -P NRestarts) -gt 0 && systemctl is-active sensorgate")
	m.arrives("cut/demo/value", "value")
}

func cutConfig(listen, data string) string {
	return fmt.Sprintf("node = \"cut\"\ndata = %q\n[broker]\nlisten = [\"tcp://%s\"]\n[journal]\nsize = \"64MiB\"\nkeep_free = \"1MiB\"\n"+
		"[device.demo]\ndriver = \"sim\"\nevery = \"1s\"\n[device.demo.channels]\nvalue = {}\n", data, listen)
}

// collect reads acknowledged numbers from the serial line as they come, until there are so many.
func (m *machine) collect(many int) (acks []vouched) {
	m.t.Helper()
	rest := "" // of a line that is not complete
	for start := time.Now(); len(acks) < many; time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > limit {
			m.t.Fatalf("only %d numbers were acknowledged\n%s", len(acks), m.logs())
		}
		text, err := strconv.Unquote(m.ctl("serial ttyS1 got"))
		if err != nil {
			m.t.Fatal(err)
		}
		info, err := os.Stat(m.DataLog())
		if err != nil {
			m.t.Fatal(err)
		}
		lines := strings.Split(rest+text, "\n")
		rest = lines[len(lines)-1]
		for _, l := range lines[:len(lines)-1] {
			acks = append(acks, vouched{number(m.t, l), info.Size()})
		}
	}
	return acks
}

// afterCut starts the gateway here on the files of an image and returns what waits in
// the witness's session.
func afterCut(t *testing.T, dir, image string, want int) string {
	t.Helper()
	store := t.TempDir()
	if err := crash.Extract(image, store); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "sensorgate.toml")
	addr := freeAddress(t)
	if err := os.WriteFile(config, []byte(cutConfig(addr, store)), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := exec.Command(filepath.Join(dir, "native"), "run", "--config", config)
	var log bytes.Buffer
	gateway.Stderr = &log
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		gateway.Process.Signal(syscall.SIGTERM)
		if err := gateway.Wait(); err != nil {
			t.Errorf("the gateway ended with %v\n%s", err, &log)
		}
	}()
	var out []byte
	var err error
	for start := time.Now(); time.Since(start) < limit; time.Sleep(100 * time.Millisecond) { // until it listens
		if out, err = exec.Command(filepath.Join(dir, "ledger"), "fetch", addr, "witness", strconv.Itoa(want)).Output(); err == nil {
			return string(out)
		}
	}
	t.Fatalf("the gateway does not start on what is left: %v\n%s", err, &log)
	return ""
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
