package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/mqtttools"
	"sensorgate/internal/terminal"
)

// tryHardware opens what the configuration names and reports how each device and
// upstream answers, and whether the files are there.
func (s *settings) tryHardware(cmd *cobra.Command, c *config.Config) []gateway.Trial {
	ctx, w := cmd.Context(), cmd.OutOrStdout()
	show := func(ts []gateway.Trial) []gateway.Trial {
		for _, t := range ts {
			if !s.json {
				fmt.Fprintf(w, "%-8s %s: %s\n", t.Mark(), t.Name, terminal.Escape(t.Text))
			}
		}
		return ts
	}
	if !s.json && isTerminal(os.Stderr) {
		fmt.Fprintln(os.Stderr, "trying the devices, up to ten seconds …")
	}
	results := show(tryFiles(c))
	results = append(results, show(s.hardware.Try(ctx, c, discard))...)
	for _, b := range c.Bridges {
		results = append(results, show(tryUpstream(ctx, b))...)
	}
	return results
}

// tryFiles opens the files that the configuration names.
func tryFiles(c *config.Config) (trials []gateway.Trial) {
	try := func(name, path string) {
		if path == "" {
			return
		}
		t := gateway.Trial{Name: name, OK: true, Text: path}
		if f, err := os.Open(path); err != nil {
			t.OK, t.Text = false, err.Error()
		} else {
			f.Close()
		}
		trials = append(trials, t)
	}
	try("broker.passwords", c.Broker.Passwords)
	try("broker.acl", c.Broker.ACL)
	for _, l := range c.Broker.Listeners {
		if l.Cert != "" {
			try("broker.cert", l.Cert)
			try("broker.key", l.Key)
			try("broker.client_ca", l.ClientCA)
			break // the same for all listeners
		}
	}
	for _, b := range c.Bridges {
		try("bridge."+b.Name+".password", b.Secret.File)
		try("bridge."+b.Name+".tls.ca", b.TLS.CA)
		try("bridge."+b.Name+".tls.cert", b.TLS.Cert)
		try("bridge."+b.Name+".tls.key", b.TLS.Key)
	}
	return trials
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
	password, err := b.Secret.Read()
	if err != nil {
		return err
	}
	return mqtttools.Login{
		URL: url, User: b.User, Password: password, ClientID: b.ClientID + "-check",
		CAFile: b.TLS.CA, CertFile: b.TLS.Cert, KeyFile: b.TLS.Key, ALPN: strings.Join(b.TLS.ALPN, ","), ServerName: b.TLS.ServerName,
	}.Try(ctx)
}
