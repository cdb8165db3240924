package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

// tryHardware opens what the configuration names and tells how each device and
// upstream answers.
func (s *settings) tryHardware(ctx context.Context, w io.Writer, c *config.Config) error {
	results := s.hardware.Try(ctx, c, discard)
	for _, b := range c.Bridges {
		results = append(results, tryUpstream(ctx, b)...)
	}
	failed := 0
	for _, r := range results {
		if !r.OK && !r.Skipped {
			failed++
		}
	}
	if s.json {
		if err := writeJSON(w, results); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			fmt.Fprintf(w, "%-8s %s: %s\n", r.Mark(), r.Name, r.Text)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d did not answer as configured", failed, len(results))
	}
	return nil
}

// upstreamTrialTime is how long one url of an upstream may take to answer.
const upstreamTrialTime = 10 * time.Second

// tryUpstream logs in at each url of an upstream, under a name of its own: the
// gateway, if it is running, keeps its session.
func tryUpstream(ctx context.Context, b config.Bridge) (trials []gateway.Trial) {
	for _, url := range b.URLs {
		t := gateway.Trial{Name: "bridge." + b.Name, Text: url + ": logged in"}
		if err := loginUpstream(ctx, b, url); err != nil {
			t.Text = err.Error()
		} else {
			t.OK = true
		}
		trials = append(trials, t)
	}
	return trials
}

func loginUpstream(ctx context.Context, b config.Bridge, url string) error {
	ctx, cancel := context.WithTimeout(ctx, upstreamTrialTime)
	defer cancel()
	password, err := b.Password.Read()
	if err != nil {
		return err
	}
	c := client{
		url: url, user: b.User, password: password, id: b.ClientID + "-check", keepAlive: 30,
		cafile: b.TLS.CA, cert: b.TLS.Cert, key: b.TLS.Key, alpn: strings.Join(b.TLS.ALPN, ","), serverName: b.TLS.ServerName,
	}
	if err := c.parseURL(); err != nil {
		return err
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	pc, err := c.connect(ctx, o.SetAutoReconnect(false))
	if err != nil {
		return err
	}
	pc.Disconnect(100)
	return nil
}
