package broker

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"sensorgate/internal/mqtt"
)

// program finds a client program that a test needs, or skips.
func program(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s (%s)", name, from)
	}
	return path
}

func TestMosquittoClients(t *testing.T) {
	pub := program(t, "mosquitto_pub", "Debian package mosquitto-clients")
	sub := program(t, "mosquitto_sub", "Debian package mosquitto-clients")
	for _, version := range []string{"31", "311", "5"} {
		for _, qos := range []string{"0", "1", "2"} {
			b := start(t)
			_, port, _ := net.SplitHostPort(b.Addrs()[0].String())
			if out, err := exec.Command(pub, "-p", port, "-V", version, "-q", qos, "-r", "-t", "t/1", "-m", "kept").CombinedOutput(); err != nil {
				t.Fatalf("mosquitto_pub: %v %s", err, out)
			}
			out, err := exec.Command(sub, "-p", port, "-V", version, "-q", qos, "-t", "t/#", "-C", "1", "-W", "5", "-F", "%t %q %r %p").CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != "t/1 "+qos+" 1 kept" {
				t.Errorf("mosquitto_sub -V %s -q %s: %q, %v", version, qos, got, err)
			}
		}
	}
}

func TestMosquittoRequestResponse(t *testing.T) {
	rr := program(t, "mosquitto_rr", "Debian package mosquitto-clients")
	b := start(t)
	_, port, _ := net.SplitHostPort(b.Addrs()[0].String())
	server := connect(t, b, mqtt.Level311, "server")
	server.subscribe("ask", 1)
	cmd := exec.Command(rr, "-p", port, "-V", "311", "-t", "ask", "-e", "answer", "-m", "?", "-W", "5", "-q", "1")
	done := make(chan string, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if err != nil {
			out = append(out, err.Error()...)
		}
		done <- strings.TrimSpace(string(out))
	}()
	server.want("ask", "?")
	server.publish("answer", "42", 1, 9)
	if got := <-done; got != "42" {
		t.Errorf("mosquitto_rr got %q, want 42", got)
	}
}
