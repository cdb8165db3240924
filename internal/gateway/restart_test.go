package gateway

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
	"sensorgate/internal/history"
	"sensorgate/internal/web"
)

// bomb is a value that cannot be encoded.
type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("boom") }

// A value that makes the page panic costs the page: it is reported, and the page starts
// again after a second, then after two, then after four. Who reported the value notices
// nothing.
func TestPanicInThePageRestartsItWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := new(lines)
		log := slog.New(slog.NewTextHandler(text, nil))
		hub := web.NewHub()
		var runs atomic.Int32
		p := optional("web", log, func(ctx context.Context) error {
			runs.Add(1)
			return web.New(web.Options{Log: quiet}, hub).Run(ctx)
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.run(ctx) }()
		look := httptest.NewRequest("GET", "http://localhost/api/v1/events", nil).WithContext(ctx)
		look.RemoteAddr = "127.0.0.1:1"
		go web.New(web.Options{Log: quiet}, hub).Handler().ServeHTTP(httptest.NewRecorder(), look) // somebody looks
		synctest.Wait()
		for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			begin, before := time.Now(), runs.Load()
			hub.State(web.State{Device: "d", State: "ok"})
			hub.Value(web.Value{Device: "d", Channel: "c", Value: bomb{}})
			for runs.Load() == before && time.Since(begin) < time.Minute {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
			}
			// The value is sent at the hub's tick, which is at most a second away.
			if got := time.Since(begin); got < pause || got > pause+1200*time.Millisecond {
				t.Errorf("started again after %v, want about %v", got, pause)
			}
		}
		if n := text.count("a part failed"); n != 3 || text.count("boom") != 3 {
			t.Errorf("%d failures are in the log, want 3 with their reason: %s", n, text.text.String())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A history that panics while a device hands over a value costs the history: the device
// goes on, and the store is opened again.
func TestPanicInTheHistoryRestartsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := new(lines)
		log := slog.New(slog.NewTextHandler(text, nil))
		k := newKeeper(&config.Config{Data: t.TempDir(), History: config.History{Enabled: true}}, quiet)
		p := optional("history", log, k.run)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.run(ctx) }()
		synctest.Wait()
		first := k.store.Load()
		k.reading("d/c", drivers.Gauge, drivers.Reading{Value: drivers.Number(1), Time: time.Now()})
		broken := *new(history.Store) // of which nothing was made: every Add panics
		k.store.Store(&broken)
		k.reading("d/c", drivers.Gauge, drivers.Reading{Value: drivers.Number(2), Time: time.Now()})
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		again := k.store.Load()
		if again == nil || again == first || again == &broken {
			t.Fatalf("the history was not opened again: %s", text.text.String())
		}
		if text.count("a part failed") != 1 || text.count("part=history") != 1 {
			t.Errorf("the log says %s", text.text.String())
		}
		k.reading("d/c", drivers.Gauge, drivers.Reading{Value: drivers.Number(3), Time: time.Now()})
		if st := again.Stats(); st.Series != 1 {
			t.Errorf("%d series after the restart", st.Series)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func writeCertificate(t *testing.T, dir, name string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A renewed certificate is served from the reload on, at once; open connections go on. A
// broken one refuses the reload, and the old one goes on.
func TestReloadRenewsTheCertificateOfThePage(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, "first")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	file := fmt.Sprintf("[web]\nlisten = [\"https://%s\"]\ncert = %q\nkey = %q\n", address, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	g := startGateway(t, file)
	served := func() (string, *tls.Conn) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
			if err == nil {
				return c.ConnectionState().PeerCertificates[0].Subject.CommonName, c
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	name, old := served()
	defer old.Close()
	if name != "first" {
		t.Fatalf("served %q", name)
	}
	writeCertificate(t, dir, "second")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	name, c := served()
	c.Close()
	if name != "second" {
		t.Errorf("after the reload %q is served, want the second certificate", name)
	}
	fmt.Fprintf(old, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := io.ReadFull(old, make([]byte, 12)); err != nil {
		t.Errorf("a connection that was open did not outlive the reload: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("a broken certificate: %v", err)
	}
	if name, c = served(); name != "second" {
		t.Errorf("after a refused reload %q is served", name)
	}
	c.Close()
}

// A reload says which devices came, changed and went, to pages and in the log.
func TestReloadSaysWhichDevicesChanged(t *testing.T) {
	g := startGateway(t, "[device.a]\ndriver = \"sequence\"\nevery = \"1s\"\n[device.b]\ndriver = \"sequence\"\nevery = \"1s\"\n[device.c]\ndriver = \"sequence\"\nevery = \"1s\"\n")
	srv := httptest.NewServer(g.page)
	defer srv.Close()
	r, err := (&http.Client{Timeout: 30 * time.Second}).Get(srv.URL + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	g.write("[device.b]\ndriver = \"sequence\"\nevery = \"2s\"\n[device.c]\ndriver = \"sequence\"\nevery = \"1s\"\n[device.d]\ndriver = \"sequence\"\nevery = \"1s\"\n")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(r.Body)
	for in.Scan() && in.Text() != "event: config" {
	}
	in.Scan()
	if want := `data: {"added":["d"],"changed":["b"],"removed":["a"]}`; in.Text() != want {
		t.Errorf("the stream says %q, want %s (%v)", in.Text(), want, in.Err())
	}
}
