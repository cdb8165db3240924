package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sensorgate/internal/mqtttools"
)

// mosquittoTool returns the path of one of mosquitto's clients, or skips the test.
func mosquittoTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("skipped: no %s here (Debian package mosquitto-clients)", name)
	}
	return path
}

// theirs runs a tool of mosquitto's.
func theirs(t *testing.T, stdin, name string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), mosquittoTool(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	b, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// ours runs a command of this program the same way.
func ours(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	out, err := with(t, stdin, args...)
	var ended mqtttools.Ended
	var usage usageError
	switch {
	case errors.As(err, &ended):
		return out, ended.Code
	case errors.As(err, &usage):
		return out, exitUsage
	case err != nil:
		return out, exitTrouble
	}
	return out, 0
}

// received is when a message was printed: it differs between two runs.
var received = regexp.MustCompile(`"tst":\s?"[^"]*"`)

// What mosquitto_sub prints of a message, sub prints too: every version of the protocol,
// every way of printing.
func TestSubPrintsWhatMosquittoSubPrints(t *testing.T) {
	port := startBroker(t, "")
	for _, args := range [][]string{
		{"-t", "d/text", "-r", "-m", "hällo"}, {"-t", "d/json", "-q", "1", "-r", "-m", `{"x":1.5,"y":[true,null]}`},
		{"-t", "d/empty/a", "-r", "-m", "b"}, {"-t", "d/qos2", "-q", "2", "-r", "-m", "two"},
	} {
		must(t, "", append([]string{"pub", "-p", port}, args...)...)
	}
	must(t, "", "pub", "-p", port, "-V", "5", "-t", "d/props", "-q", "1", "-r", "-m", "p", "-D", "publish", "user-property", "colour", "blue",
		"-D", "publish", "user-property", "size", "9", "-D", "publish", "content-type", "text/plain", "-D", "publish", "response-topic", "to/me",
		"-D", "publish", "correlation-data", "c-1", "-D", "publish", "payload-format-indicator", "1")
	formats := [][]string{nil, {"-v"}, {"-N"}, {"-N", "-v"}, {"-F", "%t %p"}, {"-F", "%q %r %l %m"}, {"-F", "%x|%X"}, {"-F", "%10t|%-10t|%.3t|%8.3t"},
		{"-F", "%05l|%-5l|%5l"}, {"-F", `%%|\t|\\|@@`}, {"-F", "%j"}, {"-F", "%j", "--pretty"}, {"-F", "%C|%D|%F|%P|%R"}, {"-F", "%S|%A"}}
	for _, version := range []string{"31", "311", "5"} {
		for _, topic := range []string{"text", "json", "empty/a", "qos2", "props"} {
			for _, format := range formats {
				args := append([]string{"-p", port, "-V", version, "-q", "2", "-t", "d/" + topic, "-C", "1", "-W", "10"}, format...)
				mine, myCode := ours(t, "", append([]string{"sub"}, args...)...)
				other, code := theirs(t, "", "mosquitto_sub", args...)
				mine, other = received.ReplaceAllString(mine, "TST"), received.ReplaceAllString(other, "TST")
				if mine != other || myCode != code {
					t.Errorf("%v:\nours   %q (%d)\ntheirs %q (%d)", args, mine, myCode, other, code)
				}
			}
		}
	}
}

// The same messages leave pub and mosquitto_pub.
func TestPubSendsWhatMosquittoPubSends(t *testing.T) {
	port := startBroker(t, "")
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte("of a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		stdin string
		args  []string
		count string // of the messages
	}{
		{"", []string{"-m", "x"}, "1"}, {"", []string{"-m", ""}, "1"}, {"", []string{"-n"}, "1"}, {"a\nb\n\nc", []string{"-l"}, "4"}, {"a\nb\n", []string{"-s"}, "1"},
		{"", []string{"-m", "x", "-q", "1", "--repeat", "3"}, "3"}, {"", []string{"-m", "x", "-q", "2", "-V", "5", "-D", "publish", "user-property", "k", "v"}, "1"},
		{"", []string{"-m", "x", "-q", "1", "-V", "5", "-D", "publish", "content-type", "a/b"}, "1"}, {"one\ntwo\n", []string{"-l", "-q", "1", "-V", "5"}, "2"},
		{"", []string{"-m", "x", "-q", "1", "-V", "31"}, "1"}, {"", []string{"-m", "x", "-L", "mqtt://127.0.0.1:" + port + "/p/url"}, "1"},
		{"", []string{"-f", file}, "1"}, {"", []string{"-f", file, "-q", "2"}, "1"}, {"", []string{"-m", "x", "--repeat", "2", "--repeat-delay", "0.1"}, "2"}, {"a\nb\n", []string{"-l", "-M", "1", "-q", "2"}, "2"},
		{"", []string{"-m", "x", "-k", "30", "-I", "pre", "--nodelay"}, "1"}, {"", []string{"-m", "x", "-V", "5", "--property", "publish", "message-expiry-interval", "60"}, "1"},
	} {
		topic := fmt.Sprintf("p/%d", i)
		print := []string{"-p", port, "-V", "5", "-c", "-q", "2", "-t", "p/#", "-F", "%q %r %l %p %P %C"}
		// A session for each: mosquitto_sub -C does not acknowledge the last message.
		open := func(who string) { theirs(t, "", "mosquitto_sub", append(print, "-i", topic+who, "-E")...) }
		collect := func(who string) string {
			out, _ := theirs(t, "", "mosquitto_sub", append(print, "-i", topic+who, "-C", c.count, "-W", "10")...)
			return out
		}
		open("ours")
		args := append([]string{"-p", port, "-t", topic}, c.args...)
		if strings.Contains(strings.Join(args, " "), "-L") { // which has host, port and topic
			args = c.args
		}
		// QoS 0 does not wait for a session that is away: its messages are made QoS 1.
		if !strings.Contains(strings.Join(args, " "), "-q") {
			args = append(args, "-q", "1")
		}
		_, myCode := ours(t, c.stdin, append([]string{"pub"}, args...)...)
		mine := collect("ours")
		open("theirs")
		_, code := theirs(t, c.stdin, "mosquitto_pub", args...)
		other := collect("theirs")
		if mine != other || myCode != code || mine == "" {
			t.Errorf("%v:\nours   %q (%d)\ntheirs %q (%d)", args, mine, myCode, other, code)
		}
	}
	retained := []string{"-p", port, "-r", "-q", "1", "-f", file, "-t"}
	ours(t, "", append(append([]string{"pub"}, retained...), "r/ours")...)
	theirs(t, "", "mosquitto_pub", append(retained, "r/theirs")...)
	for _, topic := range []string{"r/ours", "r/theirs"} {
		if got, _ := theirs(t, "", "mosquitto_sub", "-p", port, "-t", topic, "-C", "1", "-W", "10", "-F", "%r %p"); got != "1 of a file\n\n" {
			t.Errorf("%s: %q", topic, got)
		}
	}
}

// rr answers a script as mosquitto_rr does, and both end with 27 when nothing comes. Not compared: -f and -s, for
// which mosquitto_rr 2.0.11 sends an empty request.
func TestRRPrintsWhatMosquittoRRPrints(t *testing.T) {
	port := startBroker(t, "")
	respond := func(pattern string, args ...string) {
		theirs(t, "", "mosquitto_sub", "-p", port, "-c", "-i", "responder", "-q", "1", "-t", "question", "-E")
		done := make(chan struct{})
		t.Cleanup(func() { <-done })
		go func() {
			defer close(done)
			out, _ := theirs(t, "", "mosquitto_sub", "-p", port, "-V", "5", "-c", "-i", "responder", "-q", "1", "-t", "question", "-C", "1", "-W", "20", "-F", pattern)
			theirs(t, "", "mosquitto_pub", append([]string{"-p", port, "-t", "answer", "-m", out}, args...)...)
		}()
	}
	what := []string{"-m", "what"}
	for _, flags := range [][]string{what, append(what, "-v"), append(what, "-F", "%t %p %q"), {"-n"}, append(what, "-c", "-i", "asker", "-k", "30", "--nodelay")} {
		for _, version := range []string{"311", "5"} {
			args := append([]string{"-p", port, "-V", version, "-t", "question", "-e", "answer", "-q", "1", "-W", "20"}, flags...)
			respond("got %p for %R")
			mine, myCode := ours(t, "", append([]string{"rr"}, args...)...)
			respond("got %p for %R")
			other, code := theirs(t, "", "mosquitto_rr", args...)
			if mine != other || myCode != code {
				t.Errorf("%v:\nours   %q (%d)\ntheirs %q (%d)", args, mine, myCode, other, code)
			}
		}
	}
	silent := []string{"-p", port, "-t", "nobody", "-e", "answers", "-m", "x", "-W", "1"}
	_, myCode := ours(t, "", append([]string{"rr"}, silent...)...)
	if _, code := theirs(t, "", "mosquitto_rr", silent...); myCode != code || code != 27 {
		t.Errorf("without an answer ours ends with %d, theirs with %d, want 27", myCode, code)
	}
	silent = []string{"-p", port, "-t", "nobody", "-W", "1"}
	_, myCode = ours(t, "", append([]string{"sub"}, silent...)...)
	if _, code := theirs(t, "", "mosquitto_sub", silent...); myCode != code || code != 27 {
		t.Errorf("without a message ours ends with %d, theirs with %d, want 27", myCode, code)
	}
}
