package mqtttools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// parsed is a Sub with its command line.
func parsed(t *testing.T, args ...string) *Sub {
	t.Helper()
	var s Sub
	f := pflag.NewFlagSet("sub", pflag.ContinueOnError)
	s.Flags(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	s.Words = f.Args()
	return &s
}

// The defaults of mosquitto_sub count for sub; the command line wins, topics add up.
func TestDefaultOptionsOfMosquittoSub(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	text := "# mine\n-h broker.example\n--port 1884\n-t from/file\n-q 2\n-v\n--nodelay\n--psk 1a\n-V mqttv5\n-D connect user-property key value\n"
	if err := os.WriteFile(filepath.Join(dir, "mosquitto_sub"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := parsed(t, "-t", "typed", "-q", "1")
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	if s.host != "broker.example" || s.port != 1884 || s.qos != 1 || !s.verbose || !s.is5() || strings.Join(s.topics, " ") != "typed from/file" {
		t.Errorf("host %s, port %d, QoS %d, verbose %v, version %s, topics %v", s.host, s.port, s.qos, s.verbose, s.version, s.topics)
	}
	if u := s.properties.user[atConnect]; len(u) != 1 || u[0] != (pair{"key", "value"}) {
		t.Errorf("user properties of CONNECT: %v", u)
	}
	// A file that was named must be all right.
	own := filepath.Join(dir, "own")
	if err := os.WriteFile(own, []byte("\n-t a\n--psk 1a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := parsed(t, "-o", own).check(); err == nil || !strings.Contains(err.Error(), "own:3: no option --psk") {
		t.Errorf("a wrong options file: %v", err)
	}
}

// -D takes its words in their order, and says what is wrong with them.
func TestProperties(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s := parsed(t, "-V", "5", "-t", "a", "-x", "60", "-D", "connect", "receive-maximum", "7", "-D", "subscribe", "user-property", "a", "b",
		"-D", "will", "content-type", "x", "-D", "subscribe", "subscription-identifier", "3", "--will-topic", "w")
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	c := s.connect5()
	if *c.Properties.ReceiveMaximum != 7 || *c.Properties.SessionExpiryInterval != 60 || c.WillProperties.ContentType != "x" || *s.properties.subscriptionID != 3 {
		t.Errorf("CONNECT is %+v with %+v, the subscription's identifier %v", c, c.Properties, s.properties.subscriptionID)
	}
	if u := s.properties.user5(atSubscribe); len(u) != 1 || u[0].Key != "a" || u[0].Value != "b" {
		t.Errorf("user properties of SUBSCRIBE: %v", u)
	}
	for _, c := range []struct{ args, want string }{
		{"-D connect receive-maximum 7", "-V 5"}, {"-V 5 -D connect receive-maximum", "expected a property"},
		{"-V 5 -D connect receive-maximum 0", "from 1 to 65535"}, {"-V 5 -D publish receive-maximum 1", "belongs to connect"},
		{"-V 5 -D connect nonsense 1", "no such property"}, {"-V 5 -D nowhere user-property a b", "have connect"},
		{"-V 5 stray", `"stray"`}, {"-V 4", "have 5, 311 and 31"}, {"-x 5", "-V 5"}, {"-V 5 -x soon", "-x:"},
		{"-V 5 --retain-handling maybe", "always, new and never"}, {"--retain-handling new", "-V 5"}, {"--proxy http://x", "socks5h"}, {"-w --message-rate", "either"},
	} {
		s := parsed(t, append([]string{"-t", "a"}, strings.Fields(c.args)...)...)
		if err := s.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

// --watch has one line a topic, sorted, and fits the terminal.
func TestWatchHasOneLineATopic(t *testing.T) {
	var s Sub
	s.watch = true
	s.Size = func() (int, int) { return 12, 3 }
	var b strings.Builder
	o := s.output(&b)
	for _, m := range []message{{topic: "b", payload: []byte("1")}, {topic: "a", payload: []byte("2")}, {topic: "b", payload: []byte("3\n4 and more text")}} {
		o.message(&m)
	}
	if err := o.flush(); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[Ha 2\x1b[K\r\nb 3 4 and m…\x1b[K\x1b[J"; b.String() != want {
		t.Errorf("the screen is %q, want %q", b.String(), want)
	}
	b.Reset()
	for _, topic := range []string{"c", "d"} {
		o.message(&message{topic: topic})
	}
	if err := o.flush(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "… 2 more topics") || strings.Count(b.String(), "\r\n") > 2 {
		t.Errorf("four topics in three rows: %q", b.String())
	}
}

// --message-rate prints how many messages came in each second, and none of them.
func TestMessageRateCountsEachSecond(t *testing.T) {
	var s Sub
	s.rate = true
	var b strings.Builder
	o := s.output(&b)
	for range 3 {
		o.message(&message{topic: "a", payload: []byte("x")})
	}
	o.second()
	o.message(&message{topic: "a"})
	o.second()
	o.second()
	if got := b.String(); got != "3\n1\n0\n" {
		t.Errorf("printed %q, want a number for each of three seconds", got)
	}
}

// Latencies are written as mosquitto_rr 2.1 writes them (client/rr_client.c).
func TestLatencyIsWrittenAsMosquittoDoes(t *testing.T) {
	for d, want := range map[time.Duration]string{900: "900ns", 1500: "1.500000µs", 2_345_678: "2.345678ms", 3_000_000_001: "3.000000001"} {
		if got := latency(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
}

// FuzzOptionsFile: whatever a file says, it is taken or refused.
func FuzzOptionsFile(f *testing.F) {
	for _, s := range []string{"-h x", "--port 1", "-D connect user-property a b", "-t", "--", "-", "-q \x00", "-V 5\n-x ∞", "--property x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 {
			return
		}
		path := filepath.Join(t.TempDir(), "o")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = parsed(t, "-o", path).check()
	})
}
