package bridge

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// explainTLS adds what to do about a failed handshake. The most frequent cause on a
// board without a clock battery is the clock.
func explainTLS(err error, now time.Time) error {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return err
	}
	c := invalid.Cert
	const day = "2006-01-02"
	if now.Before(c.NotBefore) {
		return fmt.Errorf("certificate is valid from %s, but the clock of this computer says %s (is the time set? see timedatectl): %w",
			c.NotBefore.Format(day), now.Format(day), err)
	}
	return fmt.Errorf("certificate expired %s, and the clock of this computer says %s: %w",
		c.NotAfter.Format(day), now.Format(day), err)
}
