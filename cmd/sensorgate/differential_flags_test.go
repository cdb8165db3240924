package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the flags of sub choose and how it ends is what mosquitto_sub does with them. Those
// that mosquitto 2.0 does not have (-w, -o, --ws, --latency,
// --message-rate, --retain-handling) have tests of their own: toolflags_test.go, internal/mqtttools.
func TestFlagsOfSubChooseAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	for topic, text := range map[string]string{"f/a": "one", "f/b": "two", "f/c": "three"} {
		must(t, "", "pub", "-p", port, "-q", "1", "-r", "-t", topic, "-m", text)
	}
	socket := "mqtt://127.0.0.1:" + port + "/f/a"
	for _, args := range [][]string{
		{"-t", "f/a", "-R", "-W", "1"}, {"-t", "f/a", "--retained-only", "-W", "1"}, {"-t", "f/a", "-E"},
		{"-t", "f/+", "-T", "f/b", "-T", "f/c", "-C", "1", "-v"}, {"-t", "f/a", "-t", "f/b", "-T", "f/a", "-C", "1"},
		{"-t", "f/a", "-V", "5", "--retain-as-published", "-F", "%r %p", "-C", "1"},
		{"-t", "f/a", "-A", "127.0.0.1", "-C", "1"}, {"-L", socket, "-C", "1", "-v"}, {"-t", "f/a", "-i", "me", "-C", "1"}, {"-t", "f/a", "-I", "me", "-C", "1"},
		{"-t", "f/a", "-k", "30", "-q", "2", "-C", "1"}, {"-t", "f/a", "-V", "5", "-D", "connect", "receive-maximum", "5", "-C", "1"},
		{"-t", "f/a", "-V", "5", "-D", "subscribe", "user-property", "k", "v", "-C", "1"}, {"-t", "f/a", "--will-topic", "w", "--will-payload", "gone", "-C", "1"},
		{"-t", "f/#/x", "-C", "1"}, {"-C", "1"}, {"-t", "f/a", "-q", "3"}, {"-t", "f/a", "-c", "-C", "1"}, {"-t", "f/a", "-V", "4"},
	} {
		if args[0] != "-L" {
			args = append(args, "-p", port)
		}
		mine, myCode := ours(t, "", append([]string{"sub"}, args...)...)
		other, code := theirs(t, "", "mosquitto_sub", args...)
		if refused := code != 0 && code != 27; refused && myCode != 0 && myCode != 27 {
			continue // both refuse it, each with a code and a text of its own
		}
		if mine != other || myCode != code {
			t.Errorf("%v:\nours   %q (%d)\ntheirs %q (%d)", args, mine, myCode, other, code)
		}
	}
}

// A session that -c or -x keeps has what came meanwhile, and -U takes a subscription out of it.
func TestSessionsOfSubAreKeptAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	for who, run := range map[string]func(args ...string) (string, int){
		"ours": func(args ...string) (string, int) {
			return ours(t, "", append([]string{"sub", "-p", port}, args...)...)
		},
		"theirs": func(args ...string) (string, int) {
			return theirs(t, "", "mosquitto_sub", append([]string{"-p", port}, args...)...)
		},
	} {
		for name, kept := range map[string][]string{
			"311": {"-c", "-q", "1", "-i", who + "311"},
			"5":   {"-V", "5", "-c", "-x", "300", "-q", "1", "-i", who + "5"},
		} {
			topic := "s/" + who + name
			run(append(kept, "-t", topic, "-E")...)
			must(t, "", "pub", "-p", port, "-q", "1", "-t", topic, "-m", "meanwhile")
			if got, code := run(append(kept, "-t", topic, "-C", "1", "-W", "20")...); got != "meanwhile\n" || code != 0 {
				t.Errorf("%s, MQTT %s: after the pause %q (%d)", who, name, got, code)
			}
			run(append(kept, "-t", topic+"/other", "-U", topic, "-E")...)
			must(t, "", "pub", "-p", port, "-q", "1", "-t", topic, "-m", "unsubscribed")
			if got, code := run(append(kept, "-t", topic+"/other", "-W", "1")...); strings.Contains(got, "unsubscribed") || code != 27 {
				t.Errorf("%s, MQTT %s: after -U %q (%d)", who, name, got, code)
			}
		}
	}
}

// --remove-retained takes away the same messages.
func TestRetainedMessagesAreRemovedAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	left := map[string]string{}
	for _, who := range []string{"ours", "theirs"} {
		for _, topic := range []string{"r/a", "r/b/c", "other"} {
			must(t, "", "pub", "-p", port, "-q", "1", "-r", "-t", topic, "-m", "x")
		}
		args := []string{"-p", port, "-t", "r/#", "--remove-retained", "--retained-only", "-W", "1"}
		if who == "ours" {
			ours(t, "", append([]string{"sub"}, args...)...)
		} else {
			theirs(t, "", "mosquitto_sub", args...)
		}
		left[who], _ = theirs(t, "", "mosquitto_sub", "-p", port, "-t", "#", "-v", "-W", "1")
	}
	if left["ours"] != left["theirs"] || !strings.Contains(left["ours"], "other x") || strings.Contains(left["ours"], "r/") {
		t.Errorf("left by ours:\n%s\nby theirs:\n%s", left["ours"], left["theirs"])
	}
}

// The default options that a user has for mosquitto's tools count for ours.
func TestDefaultOptionsCountAlike(t *testing.T) {
	port := startBroker(t, "")
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	for tool, text := range map[string]string{"mosquitto_pub": "-p " + port + "\n-q 1\n-r\n", "mosquitto_sub": "-p " + port + "\n-v\n-C 1\n"} {
		if err := os.WriteFile(filepath.Join(home, tool), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ours(t, "", "pub", "-t", "o/ours", "-m", "x")
	theirs(t, "", "mosquitto_pub", "-t", "o/theirs", "-m", "x")
	for _, topic := range []string{"o/ours", "o/theirs"} {
		mine, myCode := ours(t, "", "sub", "-t", topic, "-W", "10")
		other, code := theirs(t, "", "mosquitto_sub", "-t", topic, "-W", "10")
		if mine != other || myCode != code || mine != topic+" x\n" {
			t.Errorf("%s: ours %q (%d), theirs %q (%d)", topic, mine, myCode, other, code)
		}
	}
}

// rr prints its answer as mosquitto_rr does with -N, --pretty and -R.
func TestFlagsOfRRPrintAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	for _, format := range [][]string{{"-N"}, {"-N", "-v"}, {"-R"}, {"-F", "%j", "--pretty"}} {
		args := append([]string{"-p", port, "-V", "5", "-t", "ask", "-e", "told", "-m", "what", "-W", "20", "-q", "1"}, format...)
		answered := func(run func() (string, int)) (string, int) {
			wait := subscribed(t, port, "-t", "ask", "-C", "2", "-W", "20")
			done := make(chan struct{})
			go func() {
				defer close(done)
				wait()
				with(t, "", "pub", "-p", port, "-q", "1", "-t", "told", "-m", `{"a":1}`)
			}()
			out, code := run()
			<-done
			return received.ReplaceAllString(out, "TST"), code
		}
		mine, myCode := answered(func() (string, int) { return ours(t, "", append([]string{"rr"}, args...)...) })
		other, code := answered(func() (string, int) { return theirs(t, "", "mosquitto_rr", args...) })
		if mine != other || myCode != code || code != 0 {
			t.Errorf("%v:\nours   %q (%d)\ntheirs %q (%d)", format, mine, myCode, other, code)
		}
	}
}

// The ways to a broker that both have: from an address of ours, through a SOCKS proxy, in each tool.
func TestWaysToTheBrokerAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	proxy, used := socksProxy(t)
	must(t, "", "pub", "-p", port, "-q", "1", "-r", "-t", "w/a", "-m", "kept")
	for _, way := range [][]string{{"-A", "127.0.0.1"}, {"--proxy", "socks5h://" + proxy}} {
		for _, c := range []struct {
			tool string
			args []string
			want string
		}{
			{"pub", []string{"-t", "w/b", "-m", "x", "-q", "1"}, ""}, {"pub", []string{"-t", "w/b", "-m", "x", "-q", "2", "-V", "5", "-c", "-x", "9", "-i", "p"}, ""},
			{"sub", []string{"-t", "w/a", "-C", "1", "-v"}, "w/a kept\n"}, {"rr", []string{"-t", "w/echo", "-e", "w/echo", "-m", "back", "-q", "1", "-W", "20"}, "back\n"},
		} {
			args := append(append([]string{"-h", "127.0.0.1", "-p", port}, way...), c.args...)
			mine, myCode := ours(t, "", append([]string{c.tool}, args...)...)
			other, code := theirs(t, "", "mosquitto_"+c.tool, args...)
			if mine != other || myCode != code || mine != c.want || code != 0 {
				t.Errorf("%s %v:\nours   %q (%d)\ntheirs %q (%d)", c.tool, args, mine, myCode, other, code)
			}
		}
	}
	if n := used(); n != 8 {
		t.Errorf("the proxy was used %d times, want 8: four by each", n)
	}
}

// What a responder gets of a request: its properties, and without -V the response topic of MQTT 5 too.
func TestRequestsReachTheResponderAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	for i, flags := range [][]string{
		nil, {"-V", "311"}, {"-D", "publish", "correlation-data", "c-1", "-D", "publish", "content-type", "text/plain", "-D", "publish", "user-property", "colour", "blue"},
		{"-D", "connect", "user-property", "k", "v", "-D", "subscribe", "user-property", "k", "v", "-x", "30", "-c", "-i", "asker"},
	} {
		heard := func(who string, request func(args ...string) (string, int)) string {
			topic, responder := fmt.Sprintf("q/%d/%s", i, who), fmt.Sprintf("responder%d%s", i, who)
			listen := []string{"-p", port, "-V", "5", "-c", "-i", responder, "-q", "1", "-t", topic}
			theirs(t, "", "mosquitto_sub", append(listen, "-E")...)
			_, code := request(append([]string{"-p", port, "-q", "1", "-t", topic, "-e", "nobody", "-m", "what", "-W", "1"}, flags...)...)
			out, _ := theirs(t, "", "mosquitto_sub", append(listen, "-C", "1", "-W", "20", "-F", "%p|%q|%r|%C|%D|%F|%P|%R")...)
			return fmt.Sprintf("%s(%d)", out, code)
		}
		mine := heard("ours", func(args ...string) (string, int) { return ours(t, "", append([]string{"rr"}, args...)...) })
		other := heard("theirs", func(args ...string) (string, int) { return theirs(t, "", "mosquitto_rr", args...) })
		if mine != other || !strings.HasPrefix(mine, "what|1|0|") {
			t.Errorf("%v: the responder hears\nours   %q\ntheirs %q", flags, mine, other)
		}
	}
}

// --latency adds a line to the response, and does not replace it.
func TestLatencyIsPrintedBesideTheResponse(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	out, code := ours(t, "", "rr", "-p", port, "-t", "echo", "-e", "echo", "-m", "back", "-W", "20", "--latency")
	if code != 0 || !regexp.MustCompile(`^back\nLatency: \d+(\.\d+)?(ns|µs|ms)?\n$`).MatchString(out) {
		t.Errorf("printed %q (%d)", out, code)
	}
}
