package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"sensorgate/internal/disk"
)

// certificateLife is how long a certificate of our own is good: nobody renews it, and who
// compares its fingerprint need not trust it for less.
const certificateLife = 10 * 365 * 24 * time.Hour

// notBefore and thisProgram are for a board whose clock is not set: what it makes in 1970
// must be good today.
var (
	notBefore   = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	thisProgram = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // is not older
)

// makeCertificate makes a key and a certificate that it signs itself, for this machine's
// names and addresses. Files that are there are kept.
func makeCertificate(node string, now time.Time, certFile, keyFile string) error {
	for _, path := range []string{certFile, keyFile} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil // what is wrong with them shows when they are loaded
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	if now.Before(thisProgram) {
		now = thisProgram
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: commonName(node)}, NotBefore: notBefore, NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	for _, name := range append(ownAddresses(), node) {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if isHostName(name) {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
	}{{keyFile, "PRIVATE KEY", secret}, {certFile, "CERTIFICATE", cert}} {
		if err := disk.Replace(f.path, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})); err != nil {
			return err
		}
		if err := letServiceRead(f.path); err != nil {
			return err
		}
	}
	return nil
}

// commonName is a node's name within the 64 characters of a certificate (RFC 5280, ub-common-name).
func commonName(node string) string {
	runes := []rune(node)
	return string(runes[:min(len(runes), 64)])
}

// isHostName reports whether a browser can ask for a name: a node may be called anything, and
// a certificate takes ASCII alone (RFC 5280, 4.2.1.6).
func isHostName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' {
			return false
		}
	}
	return name != "" && len(name) <= 253
}
