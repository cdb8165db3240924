package gateway

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
	"sensorgate/internal/mapping"
	"sensorgate/internal/status"
)

// counted is what the gateway itself counts. A nil one counts nothing.
type counted struct {
	mu       sync.Mutex
	commands map[string]uint64 // by result
	reloads  [2]uint64         // refused, applied
	reloaded time.Time

	ends map[string]time.Time // of the certificates, by file

	free atomic.Int64 // bytes on the file system of the journal, as of the last look; see lookAtDisk
}

// command counts the answer to a command.
func (c *counted) command(err error) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commands == nil {
		c.commands = map[string]uint64{}
	}
	c.commands[mapping.Outcome(err)]++
}

func (c *counted) reload(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	applied := 0
	if err == nil {
		applied = 1
	}
	c.reloads[applied]++
	c.reloaded = time.Now()
}

// lookAtDisk notes how much is free, and when certificates end. A file system that hangs
// must not hang who asks for metrics: so this is called now and then, by who only keeps
// figures.
func (g *Gateway) lookAtDisk() {
	free := int64(-1)
	if dir := g.config().Data; dir != "" {
		if n, _, err := (disk.OS{}).Space(dir); err == nil {
			free = n
		}
	}
	g.counted.free.Store(free)
	ends := map[string]time.Time{}
	for _, file := range certificates(g.config()) {
		if t, ok := certificateEnd(file); ok {
			ends[file] = t
		}
	}
	g.counted.mu.Lock()
	defer g.counted.mu.Unlock()
	g.counted.ends = ends
}

// certificates are the files with those of all listeners.
func certificates(c *config.Config) (files []string) {
	for _, l := range c.Broker.Listeners {
		if l.Network == "tls" || l.Network == "wss" {
			files = append(files, l.Cert)
		}
	}
	for _, l := range c.Web.Listeners {
		if l.TLS {
			files = append(files, l.Cert)
		}
	}
	return files
}

// certificateEnd is until when the first certificate of a file holds.
func certificateEnd(file string) (t time.Time, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return t, false
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return t, false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return t, false
	}
	return c.NotAfter, true
}

// counts are the figures that only metrics show.
func (g *Gateway) counts(j *journal.Stats, b *broker.Stats) status.Counts {
	c := status.Counts{
		Buses:  g.opt.Hardware.buses(),
		Broker: brokerCounts(b),
		Journal: status.JournalCounts{
			SyncTime: j.SyncTime, SyncedCommits: j.SyncedCommits, TornBytes: j.TornBytes,
		},
		Commands: map[string]uint64{"done": 0, "refused": 0, "failed": 0, "timeout": 0},
	}
	g.counted.mu.Lock()
	defer g.counted.mu.Unlock()
	for result, n := range g.counted.commands {
		c.Commands[result] = n
	}
	c.Certificates = g.counted.ends // which is replaced, not changed
	c.Reloads, c.Reloaded = g.counted.reloads, g.counted.reloaded
	return c
}

func brokerCounts(s *broker.Stats) status.BrokerCounts {
	c := status.BrokerCounts{
		ReceivedByQoS: s.ReceivedByQoS, SentByQoS: s.SentByQoS, BytesReceived: s.BytesReceived, BytesSent: s.BytesSent,
		Connections: s.Connections, ListenerClients: s.ListenerClients, RetainedBytes: s.RetainedBytes,
		SlowClosed: s.SlowClosed, Malformed: s.Malformed, RefusedFor: map[string]uint64{},
		DroppedFor: map[string]uint64{
			"slow": s.DroppedSlow, "offline": s.DroppedOffline, "expired": s.DroppedExpired,
			"too_large": s.DroppedTooLarge, "denied": s.DroppedDenied, "full": s.DroppedFull,
		},
	}
	for i, why := range broker.Refusals {
		c.RefusedFor[why] = s.RefusedFor[i]
	}
	return c
}
