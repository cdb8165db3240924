package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"sensorgate/broker"
	userfile "sensorgate/broker/passwd"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtttools"
)

// startBroker runs our broker on a loopback port of its own and returns the port.
func startBroker(t *testing.T, passwords string) string {
	t.Helper()
	b := runBroker(t, broker.Options{Listeners: []broker.Listener{{Network: "tcp", Address: "127.0.0.1:0"}}, Passwords: passwords})
	_, port, err := net.SplitHostPort(b.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// runBroker runs our broker, on a journal in memory, until the test ends.
func runBroker(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	j, err := journal.Open(journal.Options{Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	o.Journal, o.Log = j, discard
	b, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = j.Run(ctx) })
	running.Go(func() { _ = b.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	select {
	case <-b.Ready():
	case <-time.After(time.Minute):
		t.Fatal("the broker does not start")
	}
	return b
}

// with runs a command with a standard input.
func with(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

// subscribed starts sub and waits until the broker has its subscription: a retained
// message that it prints first shows it.
func subscribed(t *testing.T, port string, args ...string) (wait func() string) {
	t.Helper()
	must(t, "", "pub", "-p", port, "-t", "ready", "-r", "-m", "ready")
	out := make(chan string, 1)
	started := make(chan struct{})
	var w watchedBuffer
	w.onFirst = func() { close(started) }
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		root := newRoot()
		root.SetArgs(append([]string{"sub", "-p", port, "-t", "ready"}, args...))
		root.SetOut(&w)
		if err := root.ExecuteContext(ctx); err != nil {
			fmt.Fprintf(&w, "error: %v", err)
		}
		out <- w.String()
	}()
	select {
	case <-started:
	case <-time.After(time.Minute):
		t.Fatal("sub prints nothing")
	}
	return func() string {
		_, rest, _ := strings.Cut(<-out, "\n") // without what said that it is ready
		return rest
	}
}

// watchedBuffer reports the first write.
type watchedBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	onFirst func()
}

func (w *watchedBuffer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onFirst != nil {
		w.onFirst()
		w.onFirst = nil
	}
	return w.b.Write(p)
}

func (w *watchedBuffer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := with(t, stdin, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

func TestPubSub(t *testing.T) {
	port := startBroker(t, "")
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	wait := subscribed(t, port, "-v", "-t", "a/#", "-T", "a/secret", "-q", "2", "-C", "8")
	for _, args := range [][]string{
		{"-t", "a/m", "-m", "text", "-q", "1"},
		{"-t", "a/f", "-f", file, "-q", "2"},
		{"-t", "a/n", "-n"},
		{"-t", "a/secret", "-m", "x"},
		{"-t", "a/r", "-m", "again", "--repeat", "2", "-q", "1"},
	} {
		must(t, "", append([]string{"pub", "-p", port}, args...)...)
	}
	must(t, "whole\ninput", "pub", "-p", port, "-t", "a/s", "-s", "-q", "1")
	must(t, "one\ntwo", "pub", "-p", port, "-t", "a/l", "-l", "-q", "1")
	want := "a/m text\na/f from a file\na/n \na/r again\na/r again\na/s whole\ninput\na/l one\n"
	if got := wait(); got != want {
		t.Errorf("sub printed\n%q, want\n%q", got, want)
	}
}

// A thousand lines at QoS 1 arrive all and in order.
func TestPubLinesInOrder(t *testing.T) {
	port := startBroker(t, "")
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "%d\n", i)
	}
	wait := subscribed(t, port, "-t", "l", "-q", "1", "-C", "1001")
	must(t, lines.String(), "pub", "-p", port, "-t", "l", "-l", "-q", "1")
	if got := wait(); got != lines.String() {
		t.Errorf("printed %d bytes, want %d", len(got), lines.Len())
	}
}

func TestRetained(t *testing.T) {
	port := startBroker(t, "")
	must(t, "", "pub", "-p", port, "-t", "s/1", "-m", "on", "-r", "-q", "1")
	must(t, "", "pub", "-p", port, "-t", "s/2", "-m", "off", "-r", "-q", "1")
	if got := must(t, "", "sub", "-p", port, "-t", "s/1", "-C", "1", "-F", "%t %p %r"); got != "s/1 on 1\n" {
		t.Errorf("got %q", got)
	}
	if _, err := with(t, "", "sub", "-p", port, "-t", "s/+", "-R", "-W", "0.2"); err == nil {
		t.Error("-R printed a retained message")
	}
	must(t, "", "sub", "-p", port, "-t", "s/+", "-C", "2", "--remove-retained")
	if got, err := with(t, "", "sub", "-p", port, "-t", "s/+", "-W", "0.5"); err == nil {
		t.Errorf("still there: %q", got)
	}
}

func TestRequestResponse(t *testing.T) {
	port := startBroker(t, "")
	wait := subscribed(t, port, "-t", "pump/set", "-C", "2")
	answered := make(chan string, 1)
	go func() {
		out, err := with(t, "", "rr", "-p", port, "-t", "pump/set", "-m", "on", "-v", "-W", "15")
		answered <- fmt.Sprint(out, err)
	}()
	if got := wait(); got != "on\n" {
		t.Fatalf("the request is %q", got)
	}
	must(t, "", "pub", "-p", port, "-t", "pump/set/result", "-m", "done")
	if got := <-answered; got != "pump/set/result done\n<nil>" {
		t.Errorf("rr printed %q", got)
	}
}

func TestPasswd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, "hush\n", "passwd", "add", file, "anna")
	must(t, "other\n", "passwd", "add", file, "bob")
	must(t, "new\n", "passwd", "add", file, "bob")
	users, err := userfile.Load(file)
	if err != nil || len(users) != 2 || !userfile.Verify(users["bob"], []byte("new")) || userfile.Verify(users["bob"], []byte("other")) {
		t.Fatalf("users %v, %v", users, err)
	}
	port := startBroker(t, file)
	t.Setenv("MQTT_PASSWORD", "")
	must(t, "", "pub", "-p", port, "-t", "a", "-m", "x", "-u", "anna", "-P", "hush")
	must(t, "", "pub", "-L", "mqtt://anna:hush@127.0.0.1:"+port+"/a", "-m", "x")
	_, err = with(t, "", "pub", "-p", port, "-t", "a", "-m", "x", "-u", "anna", "-P", "wrong")
	if err == nil || !strings.Contains(err.Error(), `does not let user "anna" in`) {
		t.Errorf("a wrong password: %v", err)
	}
	must(t, "", "passwd", "delete", file, "bob")
	for _, args := range [][]string{{"delete", file, "bob"}, {"delete", file, "anna"}, {"add", file, "a:b"}} {
		if out, err := with(t, "x\n", append([]string{"passwd"}, args...)...); err == nil {
			t.Errorf("passwd %v: %s", args, out)
		}
	}
	if got := must(t, "", "passwd", "list", file); !strings.Contains(got, "anna") || strings.Contains(got, "$") {
		t.Errorf("list prints %q", got)
	}
}

// Wrong usage is reported before anything is opened, and ends with 2.
func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"pub -m x", "no topic"},
		{"pub -t a", "exactly one of -m"},
		{"pub -t a -m x -n", "exactly one of -m"},
		{"pub -t a/# -m x", "wildcard"},
		{"pub -t a -m x -q 3", "QoS is 0, 1 or 2"},
		{"pub -t a -m x -c", "-i ID"},
		{"pub -t a -m x -V 6", "have 5, 311 and 31"},
		{"pub -t a -m x --will-payload y", "--will-topic"},
		{"pub -t a -m x -L http://h/t", "mqtts"},
		{"pub -t a -m x --cert c", "go together"},
		{"pub -t a -f /none/such", "no such file"},
		{"sub -t a/#/b", "#"},
		{"sub -t a -F %k", "-F"},
		{"sub", "no topic"},
		{"rr -t a -m x", "no response topic"},
		{"route a/#", "wildcard"},
		{"check -c /none/such.toml", ""},
		{"fmt /none/such.toml", "no such file"},
		{"sub --no-such-flag", "unknown flag"},
	} {
		_, err := with(t, "", strings.Fields(c.args)...)
		var usage usageError
		if err == nil || !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a usage error with %q", c.args, err, c.want)
		}
	}
	_, err := with(t, "", "pub", "-p", "1", "-t", "a", "-m", "x")
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}

// The mosquitto tools and ours understand each other's flags on one broker.
func TestAgainstMosquittoTools(t *testing.T) {
	for _, tool := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	port := startBroker(t, "")
	flags := []string{"-p", port, "-t", "x/y", "-q", "1", "-r", "-m", "same flags", "--will-topic", "x/will", "--will-payload", "gone", "-i", "me", "-k", "20"}
	must(t, "", append([]string{"pub"}, flags...)...)
	if out, err := exec.Command("mosquitto_sub", "-p", port, "-t", "x/#", "-C", "1", "-v", "-W", "5").CombinedOutput(); string(out) != "x/y same flags\n" {
		t.Errorf("mosquitto_sub: %q %v", out, err)
	}
	flags[8] = "theirs"
	if out, err := exec.Command("mosquitto_pub", flags...).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %s %v", out, err)
	}
	if got := must(t, "", "sub", "-p", port, "-t", "x/#", "-C", "1", "-v", "-W", "5"); got != "x/y theirs\n" {
		t.Errorf("sub printed %q", got)
	}
}

// discovery lists what a broker retains also while somebody publishes there all the time.
func TestRetainedMessagesOfABusyBrokerAreListed(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	must(t, "", "pub", "-p", port, "-q", "1", "-r", "-t", "busy/kept", "-m", "x")
	ctx, stop := context.WithCancel(context.Background())
	var publishing sync.WaitGroup
	t.Cleanup(func() { stop(); publishing.Wait() })
	publishing.Go(func() {
		root := newRoot()
		root.SetArgs([]string{"pub", "-p", port, "-t", "busy/live", "-m", "x", "--repeat", "1000000", "--repeat-delay", "0.02"})
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		_ = root.ExecuteContext(ctx)
	})
	must(t, "", "sub", "-p", port, "-t", "busy/live", "-C", "1", "-W", "50")
	var r mqtttools.Retained
	r.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	r.At("mqtt://127.0.0.1:" + port)
	within, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if found, err := r.List(within, "busy/#"); err != nil || len(found) != 1 || string(found["busy/kept"]) != "x" {
		t.Errorf("%v, %v; want what is retained", found, err)
	}
}
