package config

import (
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/toml"
)

func defaultJournal() journal.Options {
	return journal.Options{Commit: time.Second, Size: 512 << 20, FreeFloor: 64 << 20}
}

func (l *loader) journal(n *toml.Node) {
	t := defaultJournal()
	if n != nil {
		l.Table(n, &t)
	}
	l.cfg.Journal = t
	if f := n.Field("commit"); f.Text() != "" && (t.Commit <= 0 || t.Commit > time.Hour) {
		l.Wrong(f, "10ms to 1h", `"1s"`)
	}
	if f := n.Field("size"); f.Text() != "" && t.Size < 4<<20 {
		l.Wrong(f, "4MiB or more", `"512MiB"`)
	}
}
