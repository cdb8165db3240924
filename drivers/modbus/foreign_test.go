package modbus

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// pymodbus starts a slave that nobody here wrote, or skips the test.
func pymodbus(t *testing.T, args ...string) {
	t.Helper()
	python := "/usr/bin/python3" // Debian's, which has Debian's packages
	if out, err := exec.Command(python, "-c", "import pymodbus.transaction, serial").CombinedOutput(); err != nil {
		t.Skipf("no pymodbus here (Debian: python3-pymodbus): %s", lastLine(out))
	}
	cmd := exec.Command(python, append([]string{"testdata/slave.py"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "ready" {
		t.Fatalf("pymodbus said %q", line)
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

var foreignChannels = map[string]Channel{
	"h7": {Holding: ptr(7)}, "h90": {Holding: ptr(90), Write: true}, "i12": {Input: ptr(12)},
	"c3": {Coil: ptr(3)}, "c4": {Coil: ptr(4), Write: true}, "d5": {Discrete: ptr(5)},
	"pair": {Holding: ptr(20), Write: true, Multiple: true},
}

// conversation is the same on both transports: reads of all tables, writes with FC 5,
// 6 and 16, a register that is not there.
func conversation(t *testing.T, d *device, reports <-chan seen) {
	t.Helper()
	var got map[string]string
	for got = map[string]string{}; len(got) < len(foreignChannels); {
		s := next(t, reports)
		if s.err == nil {
			got[s.r.Channel] = s.r.Value.String()
		} else if !errors.Is(s.err, drivers.ErrNoAnswer) && !errors.Is(s.err, drivers.ErrAbsent) { // it is still starting
			t.Fatal(s.err)
		}
	}
	for channel, want := range map[string]string{"h7": "7", "h90": "90", "i12": "1012", "c3": "true", "c4": "false", "d5": "true", "pair": "1310741"} {
		if got[channel] != want {
			t.Errorf("%s: got %s, want %s", channel, got[channel], want)
		}
	}
	for channel, payload := range map[string]string{"h90": "4711", "c4": "on", "pair": "65538"} {
		if err := d.Command(t.Context(), drivers.Command{Channel: channel, Payload: []byte(payload)}); err != nil {
			t.Errorf("%s: %v", channel, err)
		}
	}
}

func foreignUnit(t *testing.T, b *serial.Bus, o Options) (*device, <-chan seen) {
	t.Helper()
	channels := map[string]Channel{}
	for name, c := range foreignChannels {
		if name == "pair" {
			c.Layout = typed(t, "u32") // 20 and 21
		}
		channels[name] = c
	}
	o.Timeout = time.Second
	return unit(t, b, o, 100*time.Millisecond, channels)
}

func TestForeignSlaveRTU(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	farSlave, slavePath, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	farMaster, masterPath, err := serial.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer farSlave.Close()
	defer farMaster.Close()
	keepOpen, err := os.OpenFile(slavePath, os.O_RDWR, 0) // or the wire returns an error until Python has opened it
	if err != nil {
		t.Fatal(err)
	}
	defer keepOpen.Close()
	pymodbus(t, "rtu", slavePath)
	b := bus(t, masterPath, "115200 8N1")
	d, reports := foreignUnit(t, b, Options{})
	time.Sleep(50 * time.Millisecond) // until our end of the wire is open
	go io.Copy(farSlave, farMaster)
	go io.Copy(farMaster, farSlave)
	conversation(t, d, reports)
}

func TestForeignSlaveTCP(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	pymodbus(t, "tcp", strconv.Itoa(port))
	d, reports := foreignUnit(t, nil, Options{TCP: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))})
	conversation(t, d, reports)
}
