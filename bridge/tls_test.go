package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"sensorgate/internal/mqtt"
)

// authority is a CA for tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue makes NAME.pem and NAME.key for 127.0.0.1, valid in the given span from now.
func (a *authority) issue(name string, from, to time.Duration) tls.Certificate {
	a.t.Helper()
	a.n++
	key := newKey(a.t)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.n), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// listenTLS is an upstream behind TLS; it tells what ALPN was agreed.
func listenTLS(t *testing.T, u *simUpstream, c *tls.Config) (addr string, alpn chan string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	alpn = make(chan string, 10)
	u.conns.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			u.conns.Go(func() {
				s := nc.(*tls.Conn)
				if s.Handshake() == nil {
					alpn <- s.ConnectionState().NegotiatedProtocol
				}
				u.serve(nc, vice{name: "none"})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		u.conns.Wait()
	})
	return l.Addr().String(), alpn
}

func calmUpstream(level byte) *simUpstream {
	u := newSimUpstream(1, level)
	u.calm = true
	return u
}

func TestTLS(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	good := a.issue("server", -time.Minute, time.Hour)
	a.issue("client", -time.Minute, time.Hour)
	needsClient := &tls.Config{Certificates: []tls.Certificate{good}, ClientCAs: a.pool(), ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"x-amzn-mqtt-ca"}}
	plain := &tls.Config{Certificates: []tls.Certificate{good}}
	for _, tt := range []struct {
		name   string
		server *tls.Config
		files  TLSFiles
		alpn   string
		says   string // "" connects
	}{
		{"own CA", plain, TLSFiles{CA: a.file("ca.pem")}, "", ""},
		{"client certificate and ALPN", needsClient, TLSFiles{CA: a.file("ca.pem"), Cert: a.file("client.pem"), Key: a.file("client.key"), ALPN: []string{"x-amzn-mqtt-ca"}}, "x-amzn-mqtt-ca", ""},
		{"client certificate missing", needsClient, TLSFiles{CA: a.file("ca.pem")}, "", "certificate required"},
		{"system's CAs", plain, TLSFiles{}, "", "unknown authority"},
		{"another CA", plain, TLSFiles{CA: other.file("ca.pem")}, "", "unknown authority"},
		{"another name", plain, TLSFiles{CA: a.file("ca.pem"), ServerName: "example.com"}, "", "example.com"},
		{"no CA file", plain, TLSFiles{CA: "/nonexistent.pem"}, "", "/nonexistent.pem"},
		{"CA file that is none", plain, TLSFiles{CA: a.file("server.key")}, "", "no certificate in it"},
		{"clock behind", &tls.Config{Certificates: []tls.Certificate{a.issue("future", 24*time.Hour, 48*time.Hour)}},
			TLSFiles{CA: a.file("ca.pem")}, "", "is the time set?"},
		{"expired", &tls.Config{Certificates: []tls.Certificate{a.issue("past", -48*time.Hour, -24*time.Hour)}},
			TLSFiles{CA: a.file("ca.pem")}, "", "certificate expired"},
		{"TLS 1.1 only", &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS11}, TLSFiles{CA: a.file("ca.pem")}, "", "protocol version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, alpn := listenTLS(t, calmUpstream(mqtt.Level311), tt.server)
			o := options(mqtt.Level311)
			o.URLs, o.TLS = []string{"mqtts://" + addr}, tt.files
			g := newGateway(t, o)
			stop := g.run()
			defer stop()
			if tt.says != "" {
				eventually(t, "the fault is reported", func() bool { return strings.Contains(g.bridge.Status().Err, tt.says) })
				return
			}
			eventually(t, "connected", func() bool { return g.bridge.Status().Connected })
			if got := <-alpn; got != tt.alpn {
				t.Errorf("ALPN %q, want %q", got, tt.alpn)
			}
		})
	}
}

// upgrade is an upstream behind WebSocket.
func upgrade(t *testing.T, u *simUpstream, protocols ...string) http.Handler {
	up := websocket.Upgrader{Subprotocols: protocols}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/mqtt" {
			http.NotFound(w, r)
			return
		}
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Log(err)
			return
		}
		u.serve(&wsConn{Conn: c.NetConn(), ws: c}, vice{name: "none"})
	})
}

func TestWebSocket(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		protocols  []string
		secure     bool
		says       string
	}{
		{"plain", "", []string{"mqtt"}, false, ""},
		{"secure", "/mqtt", []string{"mqtt"}, true, ""},
		{"wrong path", "/ws", []string{"mqtt"}, false, "404"},
		{"not MQTT", "", []string{"chat"}, false, "does not speak MQTT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := calmUpstream(mqtt.Level5)
			o := options(mqtt.Level5, out("#", "#", 1))
			var s *httptest.Server
			if tt.secure {
				a := newAuthority(t)
				s = httptest.NewUnstartedServer(upgrade(t, u, tt.protocols...))
				s.TLS = &tls.Config{Certificates: []tls.Certificate{a.issue("server", -time.Minute, time.Hour)}}
				s.StartTLS()
				o.TLS.CA = a.file("ca.pem")
				o.URLs = []string{"wss" + strings.TrimPrefix(s.URL, "https") + tt.path}
			} else {
				s = httptest.NewServer(upgrade(t, u, tt.protocols...))
				o.URLs = []string{"ws" + strings.TrimPrefix(s.URL, "http") + tt.path}
			}
			defer s.Close()
			g := newGateway(t, o)
			stop := g.run()
			defer stop()
			if tt.says != "" {
				eventually(t, "the fault is reported", func() bool { return strings.Contains(g.bridge.Status().Err, tt.says) })
				return
			}
			big := strings.Repeat("x", 300_000) // more than a frame and a write
			g.publish("a", big, 1, false)
			eventually(t, "it arrives", func() bool { return g.bridge.Status().Sent == 1 })
			u.mu.Lock()
			defer u.mu.Unlock()
			if len(u.receipts) != 1 || u.receipts[0].payload != big {
				t.Errorf("%d receipts", len(u.receipts))
			}
		})
	}
}

// A captive portal speaks HTTP on every port.
func TestCaptivePortal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"))
			c.Close()
		}
	}()
	o := options(mqtt.Level311)
	o.URLs = []string{"mqtt://" + l.Addr().String()}
	g := newGateway(t, o)
	stop := g.run()
	defer stop()
	eventually(t, "it is reported", func() bool { return g.bridge.Status().Err != "" })
	if s := g.bridge.Status(); !strings.Contains(s.Err, "not MQTT") {
		t.Errorf("reported as %q", s.Err)
	}
}
