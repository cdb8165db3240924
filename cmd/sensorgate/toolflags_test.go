package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sensorgate/broker"
	"sensorgate/internal/config"
)

// startListeners runs our broker on the given listeners.
func startListeners(t *testing.T, l ...broker.Listener) *broker.Broker {
	t.Helper()
	return runBroker(t, broker.Options{Listeners: l, Version: "sensorgate test"})
}

// Every way to the broker: WebSocket, a Unix socket, a SOCKS proxy, an address of ours;
// with each version of the protocol.
func TestWaysToTheBroker(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "b.sock")
	b := startListeners(t, broker.Listener{Network: "tcp", Address: "127.0.0.1:0"}, broker.Listener{Network: "ws", Address: "127.0.0.1:0"},
		broker.Listener{Network: "unix", Address: socket})
	port := func(i int) string { _, p, _ := net.SplitHostPort(b.Addrs()[i].String()); return p }
	proxy, used := socksProxy(t)
	for _, way := range [][]string{
		{"-p", port(0)}, {"-p", port(0), "-A", "127.0.0.1"}, {"-p", port(1), "--ws"}, {"-L", "ws://127.0.0.1:" + port(1) + "/mqtt"},
		{"--unix", socket}, {"-p", port(0), "--proxy", "socks5h://" + proxy},
	} {
		for _, version := range []string{"31", "311", "5"} {
			args := append([]string{"-V", version, "-t", "way"}, way...)
			must(t, "", append([]string{"pub", "-q", "1", "-r", "-m", fmt.Sprint(way)}, args...)...)
			if got := must(t, "", append([]string{"sub", "-C", "1", "-W", "20"}, args...)...); got != fmt.Sprint(way)+"\n" {
				t.Errorf("%v: got %q", args, got)
			}
		}
	}
	if n := used(); n != 6 {
		t.Errorf("the proxy was used %d times, want 6", n)
	}
}

// socksProxy is a SOCKS server without authentication (RFC 1928) that connects to this
// machine; used reports how often.
func socksProxy(t *testing.T) (address string, used func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	count := 0
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			count++
			mu.Unlock()
			go socks(nc)
		}
	}()
	return l.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return count }
}

func socks(nc net.Conn) {
	defer nc.Close()
	head := make([]byte, 2)
	if _, err := io.ReadFull(nc, head); err != nil {
		return
	}
	if _, err := io.ReadFull(nc, make([]byte, head[1])); err != nil {
		return
	}
	nc.Write([]byte{5, 0})
	request := make([]byte, 10) // CONNECT to an IPv4 address
	if _, err := io.ReadFull(nc, request); err != nil || request[3] != 1 {
		return
	}
	to, err := net.Dial("tcp", net.JoinHostPort(net.IP(request[4:8]).String(), fmt.Sprint(int(request[8])<<8|int(request[9]))))
	if err != nil {
		return
	}
	defer to.Close()
	nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go io.Copy(to, nc)
	io.Copy(nc, to)
}

// rr --result tells a script whether the command was done.
func TestResultOfACommandIsTheExitCode(t *testing.T) {
	port := startBroker(t, "")
	for answer, want := range map[string]int{
		`{"result":"done","value":true}`: 0, `{"result":"refused","reason":"max_on"}`: 3, `{"result":"timeout"}`: 3, "no JSON": 0,
	} {
		wait := subscribed(t, port, "-t", "pump/set", "-C", "2", "-W", "20")
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			wait()
			with(t, "", "pub", "-p", port, "-t", "pump/set/result", "-m", answer)
		}()
		out, code := ours(t, "", "rr", "-p", port, "-t", "pump/set", "-m", "on", "-W", "20", "--result", "-N")
		<-answered
		if out != answer || code != want {
			t.Errorf("%s: printed %q and ended with %d, want %d", answer, out, code, want)
		}
	}
}

// The listener that a tool takes of a configuration.
func TestToolsFindTheGatewaysListener(t *testing.T) {
	for listen, want := range map[string]string{
		`["tcp://127.0.0.1:1999"]`:                            "127.0.0.1:1999",
		`["ws://127.0.0.1:9001", "tcp://[::1]:1884"]`:         "[::1]:1884",
		`["ws://127.0.0.1:9001"]`:                             "127.0.0.1:9001",
		`["tcp://127.0.0.1:1883", "unix:///run/x/mqtt.sock"]`: "/run/x/mqtt.sock",
		`[{ url = "tcp://:1885", anonymous = true }]`:         "127.0.0.1:1885",
		`[]`: "error",
	} {
		var s settings
		s.path = writeConfig(t, "data = \"\"\n[broker]\nlisten = "+listen+"\n")
		c, problems := s.read()
		if c == nil {
			t.Fatalf("%s: %v", listen, problems)
		}
		b, err := listenerFor(c, nil)
		got := b.Address + b.Socket
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q, %v, want %q", listen, got, err, want)
		}
	}
	if _, err := listenerFor(&config.Config{}, nil); err == nil || !strings.Contains(err.Error(), "-h HOST") {
		t.Errorf("without a listener: %v", err)
	}
}

// When retained messages come is chosen with MQTT 5.
func TestRetainHandling(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	must(t, "", "pub", "-p", port, "-q", "1", "-r", "-t", "h/a", "-m", "kept")
	sub := []string{"sub", "-p", port, "-V", "5", "-c", "-x", "60", "-i", "me", "-q", "1", "-t", "h/a", "--retain-handling"}
	for _, c := range []struct {
		when, want string
		code       int
	}{{"never", "", 27}, {"always", "kept\n", 0}, {"new", "", 27}} { // the session has the subscription since the first
		args := append(sub, c.when, "-W", "1")
		if c.want != "" {
			args = append(sub, c.when, "-C", "1", "-W", "30")
		}
		if out, code := ours(t, "", args...); out != c.want || code != c.code {
			t.Errorf("%s: %q (%d), want %q (%d)", c.when, out, code, c.want, c.code)
		}
	}
}

// The message that -C ends with is acknowledged before the tool goes, and none that it does not
// print: the session, which is kept, gets each of them once.
func TestMessagesOfAKeptSessionComeOnce(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	for _, version := range []string{"311", "5"} {
		sub := []string{"sub", "-p", port, "-V", version, "-c", "-i", "me" + version, "-q", "1", "-t", "last/" + version}
		if version == "5" {
			sub = append(sub, "-x", "60")
		}
		must(t, "", append(sub, "-E")...)
		const all = 15
		for i := range all {
			must(t, "", "pub", "-p", port, "-q", "1", "-t", "last/"+version, "-m", fmt.Sprint("message ", i))
		}
		for i := range all {
			want := fmt.Sprintf("message %d\n", i)
			if out, code := ours(t, "", append(sub, "-C", "1", "-W", "30")...); out != want || code != 0 {
				t.Fatalf("MQTT %s: %q (%d), want %q", version, out, code, want)
			}
		}
	}
}
