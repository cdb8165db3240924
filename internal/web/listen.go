package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/config"
)

const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// Run serves all listeners until ctx ends. One that cannot listen is tried again. An error
// is a panic of ours: whoever runs the server starts it again.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case err := <-s.hub.faults: // while values were encoded
			stop(err)
		case <-ctx.Done():
		}
	})
	for _, l := range s.o.Listeners {
		wg.Go(func() {
			if err := drivers.Guard(func() error { s.keepListening(ctx, l); return nil }); err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	s.hub.close()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// keepListening serves one listener until ctx ends, with growing pauses between attempts.
func (s *Server) keepListening(ctx context.Context, l config.WebListener) {
	pause, reported := firstPause, false
	for {
		err := s.listen(ctx, l)
		if ctx.Err() != nil {
			return
		}
		if !reported {
			s.log.Error("the page cannot be served; tried again", "address", l.Address, "err", err)
			reported = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// listen serves one listener until ctx ends or it fails.
func (s *Server) listen(ctx context.Context, l config.WebListener) error {
	var config *tls.Config
	if l.TLS {
		certs := s.certificate(l)
		if err := certs.read(); err != nil {
			return err
		}
		config = &tls.Config{GetCertificate: certs.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	tcp, err := net.Listen("tcp", l.Address)
	if err != nil {
		return err
	}
	in := s.conns.limit(tcp)
	if config != nil {
		in = tls.NewListener(in, config)
	}
	// HTTP/1.1 alone: a page has one stream of events, and what is not there needs no limits.
	// The Makefile builds without net/http's HTTP/2, which is 0.5 MB.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	srv := &http.Server{
		Protocols: protocols,
		Handler:   s.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ConnState:   s.conns.state,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return connectedAt(ctx, time.Now()) },
	}
	s.log.Info("page and API are served", "address", tcp.Addr(), "tls", l.TLS)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(in) }()
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}
	// Streams end by themselves: their context is ctx.
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err = srv.Shutdown(stop); err != nil {
		err = errors.Join(err, srv.Close())
	}
	<-served
	return err
}

// certificate reads its files again once a minute, and when it is asked to.
type certificate struct {
	cert, key string

	mu    sync.Mutex
	pair  *tls.Certificate
	looks time.Time
}

// certificate is the one of a listener.
func (s *Server) certificate(l config.WebListener) *certificate {
	s.certsMu.Lock()
	defer s.certsMu.Unlock()
	c := s.certs[l.Address]
	if c == nil {
		c = &certificate{cert: l.Cert, key: l.Key}
		s.certs[l.Address] = c
	}
	return c
}

// RenewCertificates reads the certificates of all listeners again: a reload shall not leave
// an old one in use for another minute.
func (s *Server) RenewCertificates() error {
	s.certsMu.Lock()
	defer s.certsMu.Unlock()
	var errs []error
	for _, c := range s.certs {
		errs = append(errs, c.read())
	}
	return errors.Join(errs...)
}

// CheckCertificates returns what is wrong with the files of listeners.
func CheckCertificates(listeners []config.WebListener) error {
	var errs []error
	for _, l := range listeners {
		if l.TLS {
			errs = append(errs, (&certificate{cert: l.Cert, key: l.Key}).read())
		}
	}
	return errors.Join(errs...)
}

// read takes the files as they are. If they are not good, the old pair goes on.
func (c *certificate) read() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks = time.Now()
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.pair = &pair
	return nil
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	pair, old := c.pair, time.Since(c.looks) > time.Minute
	c.mu.Unlock()
	if !old {
		return pair, nil
	}
	if err := c.read(); err != nil {
		return pair, nil // half written, perhaps; in a minute it is looked at again
	}
	return c.get(nil)
}
