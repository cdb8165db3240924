package deploy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/internal/freeport"
)

// startMosquitto runs mosquitto on a free port with more of a configuration.
func startMosquitto(t *testing.T, more string) (port string, stop func()) {
	t.Helper()
	binary := tool(t, "mosquitto")
	port = strconv.Itoa(freeport.Port(t))
	file := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, "user root\nlistener %s 127.0.0.1\n%s\n", port, more), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-c", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	within(t, func() error {
		nc, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			nc.Close()
		}
		return err
	})
	return port, stop
}

// within tries until it works, for two minutes: other programs cannot be waited on.
func within(t *testing.T, try func() error) {
	t.Helper()
	for limit := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
	}
}

const besideDevices = `
[device.attic]
driver = "sim"
every = "1s"
channels.temperature = { shape = "sine", from = 21, to = 21.5, digits = 0, unit = "°C", retain = true }

[device.pump]
driver = "sim"
channels.state = { shape = "output" }
`

// gatewayBeside starts a gateway with the devices and a file that says where it listens; the
// port is one that is open when it runs.
func gatewayBeside(t *testing.T, broker, port string) (file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "sensorgate.toml")
	text := fmt.Sprintf("node = \"barn-pi\"\ndata = %q\n%s\n%s", filepath.Join(dir, "store"), broker, besideDevices)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startGateway(t, program(t), file, port)
	return file
}

// The first way of docs/install.md: no listener of our own and a bridge to mosquitto. Values
// arrive there, and a command that somebody sends there is answered there.
func TestBesideMosquittoWithoutAListener(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n### Beside mosquitto\n")
	block := tomlBlock.FindStringSubmatch(text)
	if block == nil {
		t.Fatal("docs/install.md has no block for mosquitto")
	}
	port, _ := startMosquitto(t, "allow_anonymous true")
	gatewayBeside(t, strings.ReplaceAll(block[2], "1883", port), port)
	if value := one(t, port, "barn-pi/attic/temperature"); !strings.Contains(value, `"unit":"°C"`) {
		t.Errorf("at mosquitto is %q", value)
	}
	if answer := run(t, program(t), "rr", "-p", port, "-t", "barn-pi/pump/state/set", "-m", "on", "-W", "60"); !strings.Contains(answer, `"result":"done"`) {
		t.Errorf("the command is answered with %q", answer)
	}
}

// The other two: mosquitto has the port. The gateway says so and goes on; with another port
// it has clients after a reload, and without mosquitto it takes the port, with mosquitto's own users.
func TestGatewayInThePlaceOfMosquitto(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "passwd")
	run(t, tool(t, "mosquitto_passwd"), "-b", "-c", users, "ann", "secret")
	port, stop := startMosquitto(t, "allow_anonymous false\npassword_file "+users)
	listen := func(port string) string {
		return fmt.Sprintf("[broker]\nlisten = [\"tcp://127.0.0.1:%s\"]\npasswords = %q\nanonymous = false\n", port, users)
	}
	file := gatewayBeside(t, listen(port), port)
	status := func() string {
		out, _ := exec.Command(program(t), "status", "-c", file).CombinedOutput()
		return string(out)
	}
	within(t, func() error {
		if out := status(); !strings.Contains(out, "already taken") || !strings.Contains(out, "temperature") {
			return fmt.Errorf("status does not say that the port is taken, beside the values:\n%s", out)
		}
		return nil
	})
	asAnn := func(port string) error {
		out, err := exec.Command(program(t), "sub", "-p", port, "-u", "ann", "-P", "secret", "-t", "barn-pi/attic/temperature", "-C", "1", "-W", "10").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	other := strconv.Itoa(freeport.Port(t))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), port, other)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, program(t), "reload", "-c", file)
	if err := asAnn(other); err != nil {
		t.Errorf("on another port: %v", err)
	}
	gatewayBeside(t, listen(port), port)
	stop()
	within(t, func() error { return asAnn(port) })
}
