package broker

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"sensorgate/internal/mqtt"
)

// authority makes certificates for a test.
type authority struct {
	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
	next int64
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir(), next: 2}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.file = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue makes a certificate for a name, good for 127.0.0.1 as a server too.
func (a *authority) issue(name string) (cert, key string) {
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.next++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	file := fmt.Sprint(name, a.next)
	return a.write(file+".pem", "CERTIFICATE", der), a.write(file+".key", "PRIVATE KEY", raw)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func listening(l ...Listener) func(*Options) {
	return func(o *Options) { o.Listeners = l }
}

func TestTLSWithClientCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("broker")
	acl := writeFile(t, "acl", "user meter\ntopic readwrite m/#\n")
	b := start(t, listening(Listener{Network: "tls", Address: "127.0.0.1:0", Cert: cert, Key: key, ClientCA: ca.file}),
		func(o *Options) { o.ACL = acl })
	addr := b.Addrs()[0].String()
	dialTLS := func(c *tls.Config) (*tls.Conn, error) {
		c.RootCAs = ca.pool()
		return tls.Dial("tcp", addr, c)
	}
	load := func(cert, key string) []tls.Certificate {
		c, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	nc, err := dialTLS(&tls.Config{Certificates: load(ca.issue("meter"))})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// A user name in CONNECT does not change who the certificate says it is.
	c := newClient(t, nc, mqtt.Level5)
	c.handshake("c", user("root", "x"))
	c.subscribe("m/#", 1)
	c.publish("m/1", "x", 1, 1)
	m, _ := c.messageAnd(mqtt.PUBACK)
	if string(m.Topic) != "m/1" {
		t.Errorf("got %q", m.Topic)
	}
	c.publish("other", "x", 1, 2)
	if a, _ := mqtt.ParseAck(c.frame(mqtt.PUBACK), 5); a.Reason != mqtt.NotAuthorized {
		t.Errorf("the ACL does not know the certificate's name: %v", a.Reason)
	}
	for name, config := range map[string]*tls.Config{
		"no certificate":            {},
		"certificate of another CA": {Certificates: load(other.issue("meter"))},
		"TLS 1.1":                   {Certificates: load(ca.issue("meter")), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
	} {
		nc, err := dialTLS(config)
		if err == nil { // TLS 1.3 tells with the first read
			_, err = nc.Read(make([]byte, 1))
			_ = nc.Close()
		}
		if err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	// A new certificate counts for the next connection.
	cert2, key2 := ca.issue("renewed")
	if err := b.Reload(Options{ACL: acl, Listeners: []Listener{{Network: "tls", Address: "127.0.0.1:0", Cert: cert2, Key: key2, ClientCA: ca.file}}}); err != nil {
		t.Fatal(err)
	}
	nc2, err := dialTLS(&tls.Config{Certificates: load(ca.issue("meter"))})
	if err != nil {
		t.Fatal(err)
	}
	defer nc2.Close()
	if name := nc2.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "renewed" {
		t.Errorf("after the reload the certificate is %q", name)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mqtt.sock")
	// A socket that a killed process has left is no obstacle.
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	start(t, listening(Listener{Network: "unix", Address: path}))
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := newClient(t, nc, mqtt.Level311)
	c.handshake("c")
	c.subscribe("a", 1)
	c.publish("a", "x", 0, 0)
	c.want("a", "x")
}

func TestWebSocket(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue("broker")
	b := start(t, listening(
		Listener{Network: "ws", Address: "127.0.0.1:0"},
		Listener{Network: "wss", Address: "127.0.0.1:0", Cert: cert, Key: key, Path: "/x"},
		Listener{Network: "ws", Address: "127.0.0.1:0", Origins: []string{"https://good.example"}},
	))
	addrs := b.Addrs()
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: &tls.Config{RootCAs: ca.pool()}}
	for _, url := range []string{fmt.Sprintf("ws://%s/mqtt", addrs[0]), fmt.Sprintf("wss://%s/x", addrs[1])} {
		ws, resp, err := dialer.Dial(url, nil)
		if err != nil {
			t.Fatal(url, err)
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "mqtt" { // [MQTT-6.0.0-4]
			t.Errorf("sub-protocol %q", got)
		}
		c := newClient(t, &webConn{Conn: ws}, mqtt.Level5)
		c.handshake("c" + url)
		c.subscribe("a", 2)
		// Packets may be cut over messages, and messages hold several [MQTT-6.0.0-2].
		packet := mqtt.AppendPublish(nil, 5, 0, "a", 0, nil, []byte("hello"))
		packet = append(packet, packet...)
		for _, part := range [][]byte{packet[:3], packet[3:4], packet[4:15], packet[15:]} {
			c.write(part)
		}
		c.want("a", "hello")
		c.want("a", "hello")
		if err := ws.WriteMessage(websocket.TextMessage, []byte{0xc0, 0}); err != nil { // [MQTT-6.0.0-1]
			t.Fatal(err)
		}
		if f, err := c.next(); err == nil {
			t.Errorf("a text message was taken: %v", f.Type)
		}
		_ = ws.Close()
	}
	for name, c := range map[string]struct {
		listener int
		path     string
		protocol string
		origin   string
		want     int
	}{
		"as a browser on the same page":  {0, "/mqtt", "mqtt", "http://" + addrs[0].String(), http.StatusSwitchingProtocols},
		"another origin":                 {0, "/mqtt", "mqtt", "https://evil.example", http.StatusForbidden},
		"allowed origin":                 {2, "/mqtt", "mqtt", "https://good.example", http.StatusSwitchingProtocols},
		"origin that only looks allowed": {2, "/mqtt", "mqtt", "https://good.example.evil.example", http.StatusForbidden},
		"no origin, so no browser":       {2, "/mqtt", "mqtt", "", http.StatusSwitchingProtocols},
		"other path":                     {0, "/", "mqtt", "", http.StatusNotFound},
		"other sub-protocol":             {0, "/mqtt", "chat", "", http.StatusBadRequest},
	} {
		nc, err := net.Dial("tcp", addrs[c.listener].String())
		if err != nil {
			t.Fatal(err)
		}
		request := "GET " + c.path + " HTTP/1.1\r\nHost: " + addrs[c.listener].String() + "\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " + c.protocol + "\r\n"
		if c.origin != "" {
			request += "Origin: " + c.origin + "\r\n"
		}
		_, _ = nc.Write([]byte(request + "\r\n"))
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, c.want)
		}
		if c.want == http.StatusSwitchingProtocols && resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455, 1.3
			t.Errorf("%s: accept %q", name, resp.Header.Get("Sec-WebSocket-Accept"))
		}
		_ = nc.Close()
	}
}

// TestWebSocketFrameLength: a frame that announces 2^63-1 bytes (CVE-2026-27889) ends
// that connection and nothing else.
func TestWebSocketFrameLength(t *testing.T) {
	b := start(t, listening(Listener{Network: "ws", Address: "127.0.0.1:0"}))
	for _, head := range []string{"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "\x82\x7e\xff\xff"} {
		nc, err := net.Dial("tcp", b.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = nc.Write([]byte("GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n" + head))
		_ = nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		got := new(strings.Builder)
		buf := make([]byte, 1024)
		for {
			n, err := nc.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				if isTimeout(err) {
					t.Errorf("frame % x: not closed", head)
				}
				break
			}
		}
		_ = nc.Close()
	}
	waitFor(t, "all are gone", func() bool { return b.Stats().Clients == 0 })
}

func TestListenersAreChecked(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue("broker")
	for want, l := range map[string]Listener{
		"is not known":         {Network: "udp", Address: "127.0.0.1:0"},
		"certificate and key":  {Network: "tls", Address: "127.0.0.1:0"},
		"no such file":         {Network: "tls", Address: "127.0.0.1:0", Cert: "/nowhere", Key: "/nowhere"},
		"no certificate in it": {Network: "tls", Address: "127.0.0.1:0", Cert: cert, Key: key, ClientCA: key},
		"does not use it":      {Network: "tcp", Address: "127.0.0.1:0", Cert: cert, Key: key},
		"without passwords":    {Network: "tls", Address: "0.0.0.0:0", Cert: cert, Key: key},
	} {
		_, err := New(Options{Journal: memoryJournal(t), Listeners: []Listener{l}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", l, err, want)
		}
	}
}
