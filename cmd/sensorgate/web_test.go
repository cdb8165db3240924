package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

// A headless board: one command, and the page is there with a login and a certificate
// whose fingerprint is known; who got in before still does.
func TestWebSetup(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sensorgate.toml")
	main := "node = \"barn\"\ndata = \"\"\n[web]\nlisten = [\"http://127.0.0.1:8880\"]\n[broker]\nlisten = [\"tcp://127.0.0.1:1883\"]\n"
	if err := os.WriteFile(file, []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		root := newRoot()
		var out bytes.Buffer
		root.SetIn(strings.NewReader("a long password\n"))
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetArgs(append([]string{"web", "setup", "-c", file}, args...))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	if _, err := run("--cert", "/x"); err == nil {
		t.Error("a certificate without its key")
	}
	out, err := run("--listen", ":18443")
	if err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(file, gateway.NewHardware(discard).Catalogue())
	if c == nil || len(c.Web.Listeners) != 2 || !c.Web.Listeners[1].TLS || len(c.Web.Admin) != 1 || c.Broker.Anonymous == nil || !*c.Broker.Anonymous {
		t.Fatalf("%+v %v", c, problems)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "web.crt"), filepath.Join(dir, "web.key"))
	if err != nil {
		t.Fatal(err)
	}
	print := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(pair.Certificate[0])), " ", ":")
	if !strings.Contains(out, print) || !strings.Contains(out, ":18443") || strings.Contains(out, "password") {
		t.Errorf("printed %q, want the address and %s", out, print)
	}
	info, err := os.Stat(filepath.Join(dir, "web.key"))
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the key may be read by everybody: %v %v", info.Mode(), err)
	}
	if _, err := run(); err == nil || !strings.Contains(err.Error(), "done before") {
		t.Errorf("a second time: %v", err)
	}
}

// Nodes have names in any language, and a board without a clock makes its certificate in
// 1970: a browser of today takes it all the same, under each name that it can ask for.
func TestCertificateOfAnyNodeIsGoodToday(t *testing.T) {
	for _, node := range []string{"barn", "Büro Süd", "насосная", "pump_1", "*.example", strings.Repeat("long", 100), "10.1.2.3"} {
		for _, now := range []time.Time{time.Unix(0, 0), time.Now()} {
			dir := t.TempDir()
			cert, key := filepath.Join(dir, "web.crt"), filepath.Join(dir, "web.key")
			if err := makeCertificate(node, now, cert, key); err != nil {
				t.Errorf("%s in %d: %v", node, now.Year(), err)
				continue
			}
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(pair.Leaf)
			for _, name := range []string{"localhost", "127.0.0.1"} {
				if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
					t.Errorf("%s in %d, %s: %v", node, now.Year(), name, err)
				}
			}
			if ends := pair.Leaf.NotAfter; ends.Before(time.Now().Add(5 * 365 * 24 * time.Hour)) {
				t.Errorf("%s in %d: ends %s", node, now.Year(), ends)
			}
			if n := len([]rune(pair.Leaf.Subject.CommonName)); n > 64 {
				t.Errorf("%s: a common name of %d characters", node, n)
			}
		}
	}
}

// A certificate that is there and cannot be loaded may be somebody's own: it is not
// overwritten, nobody has typed a password for nothing, and what to do is said.
func TestWebSetupKeepsFilesItCannotLoad(t *testing.T) {
	for _, there := range []string{"web.crt", "web.key"} {
		file := writeConfig(t, "node = \"barn\"\ndata = \"\"\n")
		dir := filepath.Dir(file)
		mine := filepath.Join(dir, there)
		if err := os.WriteFile(mine, []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := with(t, "a long password\n", "web", "setup", "-c", file, "--listen", ":18443")
		if err == nil || !strings.Contains(err.Error(), "remove them") {
			t.Errorf("with %s: %v\n%s", there, err, out)
		}
		if text, err := os.ReadFile(mine); string(text) != "mine\n" {
			t.Errorf("%s is %q, %v", there, text, err)
		}
		for _, name := range []string{"passwd", "conf.d/web.toml"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				t.Errorf("with %s: %s was written", there, name)
			}
		}
	}
}

// init writes down meters by the names that people have for them.
func TestInitKnowsMeters(t *testing.T) {
	for answer, want := range map[string]string{
		"p1": "model  = \"dsmr/p1\"", "sml": "driver = \"sml\"", "mbus": "driver = \"mbus\"", "scale": "model  = \"generic/scale\"",
		"gps": "driver = \"nmea\"", "eastron/sdm630": "model = \"eastron/sdm630\"", "iskra/mt631": "model  = \"iskra/mt631\"",
	} {
		q := &interview{in: bufio.NewReader(strings.NewReader("\n\n\n")), out: io.Discard}
		q.connected("/dev/ttyUSB0", answer)
		text := q.text.String()
		file := filepath.Join(t.TempDir(), "sensorgate.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(file, gateway.NewHardware(discard).Catalogue())
		if c == nil || len(c.Devices) != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: %q: %v", answer, text, problems)
		}
	}
}
