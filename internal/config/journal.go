package config

import (
	"time"

	"sensorgate/internal/toml"
)

// journalTable is [journal].
type journalTable struct {
	Commit   time.Duration `toml:"commit" doc:"how much of our own readings a power cut may cost"`
	Size     toml.Size     `toml:"size" doc:"what the journal may take on the disk"`
	KeepFree toml.Size     `toml:"keep_free" doc:"what the journal leaves free on the disk for others"`
}

func defaultJournal() journalTable {
	return journalTable{Commit: time.Second, Size: 512 << 20, KeepFree: 64 << 20}
}

func (l *loader) journal(n *toml.Node) {
	t := defaultJournal()
	if n != nil {
		l.Table(n, &t)
	}
	l.cfg.Journal = Journal{Commit: t.Commit, Size: int64(t.Size), FreeFloor: int64(t.KeepFree)}
	if f := n.Field("commit"); f.Text() != "" && (t.Commit <= 0 || t.Commit > time.Hour) {
		l.Wrong(f, "10ms to 1h", `"1s"`)
	}
	if f := n.Field("size"); f.Text() != "" && t.Size < 4<<20 {
		l.Wrong(f, "4MiB or more", `"512MiB"`)
	}
}
