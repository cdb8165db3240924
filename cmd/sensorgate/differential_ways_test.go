package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sensorgate/broker"
)

// signed writes a certificate and its key into dir: signed by parent, or by itself.
func signed(t *testing.T, dir, name string, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(int64(len(name))), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter, template.BasicConstraintsValid = time.Now().Add(-time.Hour), time.Now().Add(time.Hour), true
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, path), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return template, key
}

// TLS with its flags and a Unix socket lead both to the broker, or neither.
func TestSecureWaysToTheBrokerAlike(t *testing.T) {
	t.Parallel()
	mosquittoTool(t, "mosquitto_sub")
	dir := t.TempDir()
	ca, key := signed(t, dir, "ca", &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	signed(t, dir, "server", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, ca, key)
	signed(t, dir, "other-name", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"far.example"}}, ca, key)
	signed(t, dir, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca, key)
	file := func(name string) string { return filepath.Join(dir, name) }
	tls := func(cert, clientCA string) broker.Listener {
		return broker.Listener{Network: "tls", Address: "127.0.0.1:0", Cert: file(cert + ".crt"), Key: file(cert + ".key"), ClientCA: clientCA}
	}
	socket := filepath.Join(t.TempDir(), "b.sock")
	b := startListeners(t, broker.Listener{Network: "unix", Address: socket}, tls("server", ""), tls("other-name", ""), tls("server", file("ca.crt")))
	port := func(i int) string { _, p, _ := net.SplitHostPort(b.Addrs()[i].String()); return p }
	must(t, "", "pub", "--unix", socket, "-q", "1", "-r", "-t", "w/a", "-m", "kept")
	trusted := []string{"--cafile", file("ca.crt")}
	for _, way := range []struct {
		args  []string
		leads bool
	}{
		{[]string{"--unix", socket}, true}, {append(trusted, "-p", port(1)), true}, {append(trusted, "-p", port(1), "--tls-version", "tlsv1.3"), true},
		{append(trusted, "-p", port(1), "--tls-version", "tlsv1.2", "-V", "5"), true}, {append(trusted, "-L", "mqtts://127.0.0.1:"+port(1)+"/w/a"), true},
		{append(trusted, "-p", port(2)), false}, {append(trusted, "-p", port(2), "--insecure"), true}, {[]string{"-p", port(1), "--tls-use-os-certs"}, false},
		{append(trusted, "-p", port(3)), false}, {append(trusted, "-p", port(3), "--cert", file("client.crt"), "--key", file("client.key")), true},
		{append(trusted, "-p", port(3), "--cert", file("client.crt")), false},
	} {
		args := append(append([]string{"-W", "20", "-C", "1", "-v"}, way.args...), "-t", "w/a")
		if way.args[0] != "--unix" && way.args[2] != "-L" {
			args = append(args, "-h", "127.0.0.1")
		}
		mine, myCode := ours(t, "", append([]string{"sub"}, args...)...)
		other, code := theirs(t, "", "mosquitto_sub", args...)
		if mine != other || (myCode == 0) != (code == 0) || (code == 0) != way.leads {
			t.Errorf("%v:\nours   %q (%d)\ntheirs %q (%d), want it to lead there: %v", args, mine, myCode, other, code, way.leads)
		}
	}
}

// Logins are let in or refused alike, and --quiet keeps both silent.
func TestLoginsAlike(t *testing.T) {
	t.Parallel()
	users := filepath.Join(t.TempDir(), "users")
	must(t, "hush\n", "passwd", "add", users, "ann")
	port := startBroker(t, users)
	must(t, "", "pub", "-p", port, "-u", "ann", "-P", "hush", "-q", "1", "-r", "-t", "l/a", "-m", "kept")
	for _, login := range [][]string{{"-u", "ann", "-P", "hush"}, {"-u", "ann", "-P", "wrong"}, {"-u", "ann"}, {"-u", "eve", "-P", "hush"}, nil,
		{"-L", "mqtt://ann:hush@127.0.0.1:" + port + "/l/a"}, {"-u", "ann", "-P", "wrong", "-V", "5"}} {
		for _, tool := range [][]string{{"sub", "-t", "l/a", "-C", "1"}, {"pub", "-t", "l/b", "-m", "x", "-q", "1"}} {
			args := append(append([]string{"-W", "20", "--quiet"}[map[string]int{"sub": 0, "pub": 2}[tool[0]]:], tool[1:]...), login...)
			if len(login) == 0 || login[0] != "-L" {
				args = append(args, "-h", "127.0.0.1", "-p", port)
			}
			mine, myCode := ours(t, "", append([]string{tool[0]}, args...)...)
			other, code := theirs(t, "", "mosquitto_"+tool[0], args...)
			if mine != other || (myCode == 0) != (code == 0) {
				t.Errorf("%s %v:\nours   %q (%d)\ntheirs %q (%d)", tool[0], args, mine, myCode, other, code)
			}
		}
	}
}

// secondsLeft is the rest of a message's 900 seconds: it differs between two runs.
var secondsLeft = regexp.MustCompile(`\|[89]\d\d$`)

// The last will that a tool leaves at the broker: what, how and whether it is retained.
func TestWillsAlike(t *testing.T) {
	t.Parallel()
	port := startBroker(t, "")
	for i, will := range [][]string{
		{"--will-payload", "gone", "--will-qos", "1", "--will-retain"}, {"--will-retain", "--will-payload", "x", "-V", "5", "-D", "will", "content-type", "text/plain", "-D", "will", "user-property", "k", "v",
			"-D", "will", "response-topic", "to/me", "-D", "will", "correlation-data", "c-1", "-D", "will", "payload-format-indicator", "1", "-D", "will", "message-expiry-interval", "900"},
	} {
		left := map[string]string{}
		for who, sub := range map[string]func(args ...string){
			"ours":   func(args ...string) { ours(t, "", append([]string{"sub"}, args...)...) },
			"theirs": func(args ...string) { theirs(t, "", "mosquitto_sub", args...) },
		} {
			topic, id := fmt.Sprintf("will/%d", i), fmt.Sprint(who, i)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				sub(append([]string{"-p", port, "-i", id, "-t", "end/" + id, "-C", "1", "-W", "60", "--will-topic", topic}, will...)...)
			}()
			// Who comes with the same client id ends the connection without a DISCONNECT (3.1.4-2).
			for range 40 {
				theirs(t, "", "mosquitto_pub", "-p", port, "-i", id, "-t", "other", "-m", "x")
				left[who], _ = theirs(t, "", "mosquitto_sub", "-p", port, "-V", "5", "-q", "1", "-t", topic, "-C", "1", "-W", "1", "-F", "%p|%q|%r|%C|%P|%R|%D|%F|%E")
				if left[who] != "" {
					break
				}
			}
			must(t, "", "pub", "-p", port, "-t", "end/"+id, "-r", "-m", "end", "-q", "1") // both connect again by themselves
			<-gone
			must(t, "", "pub", "-p", port, "-t", topic, "-r", "-n", "-q", "1")
		}
		for who, text := range left {
			left[who] = secondsLeft.ReplaceAllString(strings.TrimSpace(text), "|left")
		}
		if left["ours"] != left["theirs"] || left["ours"] == "" {
			t.Errorf("%v:\nours   %q\ntheirs %q", will, left["ours"], left["theirs"])
		}
	}
}
