package config

import (
	"time"

	"sensorgate/internal/history"
	"sensorgate/internal/toml"
)

// History is [history].
type History struct {
	Enabled bool `toml:"enabled" doc:"Whether what was measured is kept at all."`
	history.Options
}

func defaultHistory() History {
	d := history.Defaults()
	return History{Enabled: true, Options: history.Options{
		Raw: d.Raw, Minutes: d.Minutes, Quarters: d.Quarters, Size: d.Size, Memory: d.Memory, Flush: d.Flush,
	}}
}

func (l *loader) history(n *toml.Node) {
	t := defaultHistory()
	if n != nil {
		l.Table(n, &t)
	}
	l.cfg.History = t
	for key, least := range map[string]time.Duration{"raw": time.Hour, "minutes": 24 * time.Hour, "quarters": 24 * time.Hour, "flush": time.Minute} {
		f := n.Field(key)
		if d := map[string]time.Duration{"raw": t.Raw, "minutes": t.Minutes, "quarters": t.Quarters, "flush": t.Flush}[key]; f.Text() != "" && d < least {
			l.Wrong(f, least.String()+" or more", "")
		}
	}
	if f := n.Field("size"); f.Text() != "" && t.Size < history.LeastSize {
		l.Wrong(f, "8MiB or more", `"64MiB"`)
	}
	if f := n.Field("memory"); f.Text() != "" && t.Memory < history.LeastMemory {
		l.Wrong(f, "1MiB or more", `"8MiB"`)
	}
}
