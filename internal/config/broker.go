package config

import (
	"time"

	"sensorgate/broker"
	"sensorgate/internal/toml"
)

// brokerTable is [broker]: the broker's own options, and where clients connect.
type brokerTable struct {
	Listen   []listenEntry `toml:"listen" example:"[\"tcp://127.0.0.1:1883\", \"tls://:8883\"]" doc:"Where clients connect: tcp:// tls:// ws:// wss:// unix://."`
	Cert     string        `toml:"cert" example:"\"/etc/sensorgate/server.crt\"" doc:"The certificate file of tls:// and wss://."`
	Key      string        `toml:"key" example:"\"/etc/sensorgate/server.key\"" doc:"The key file of tls:// and wss://."`
	ClientCA string        `toml:"client_ca" example:"\"/etc/sensorgate/clients-ca.pem\"" doc:"If it is given, a client needs a certificate that one in this file has signed."`
	Origins  []string      `toml:"origins" example:"[\"https://app.example.com\"]" doc:"The web pages that may connect with ws:// and wss://; default: only those of the same host."`
	broker.Options
}

func defaultBroker() brokerTable {
	return brokerTable{Options: broker.Options{
		MaxClients: 10000, Limits: broker.Limits{MaxPacketSize: 2 << 20}, Memory: broker.DefaultMemory, MaxSessions: 20_000, SessionExpiry: 28 * 24 * time.Hour,
	}}
}

const defaultListen = "tcp://127.0.0.1:1883"

func (l *loader) broker(n *toml.Node) *brokerTable {
	t := defaultBroker()
	if n != nil {
		l.Table(n, &t)
	}
	b := &l.cfg.Broker
	*b = t.Options
	if n.Field("listen") == nil {
		t.Listen = []listenEntry{{URL: defaultListen}}
	}
	for _, e := range t.Listen {
		if e.URL == "" {
			continue // reported as such
		}
		if ln, ok := l.listener(e, &t); ok {
			b.Listeners = append(b.Listeners, ln)
		}
	}
	if f := n.Field("max_clients"); t.MaxClients < 1 {
		l.Wrong(f, "1 or more", "")
	}
	if f := n.Field("memory"); f.Text() != "" && (t.Memory < 4<<20 || t.Memory > 64<<30) {
		l.Wrong(f, "4MiB to 64GiB", `"64MiB"`)
	}
	if f := n.Field("max_sessions"); t.MaxSessions < 1 {
		l.Wrong(f, "1 or more", "")
	}
	if f := n.Field("session_expiry"); t.SessionExpiry < time.Minute {
		l.Wrong(f, "1m or more", `"672h"`)
	}
	l.limits(n, &t.Limits)
	return &t
}

// limits reports the first key of a table that has a value it cannot have.
func (l *loader) limits(n *toml.Node, limits *broker.Limits) bool {
	key, expected := limits.Check()
	if f := n.Field(key); key != "" && f != nil {
		return l.Wrong(f, expected, "")
	}
	return true
}
