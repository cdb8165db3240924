package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	ringLines = 1000
	ringBytes = 256 << 10
)

// LogLine is one line of the log.
type LogLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // DEBUG, INFO, WARN, ERROR
	Part  string    `json:"part,omitempty"`
	Text  string    `json:"text"` // message and attributes
}

// LogRing is a log handler that keeps the newest lines, bounded in number and bytes, and
// hands them to another handler and to a hub.
type LogRing struct {
	to    slog.Handler
	hub   *Hub
	lines *ringOf
	part  string
	attrs string
}

type ringOf struct {
	mu    sync.Mutex
	lines []LogLine
	bytes int
}

// NewLogRing makes a ring in front of to.
func NewLogRing(to slog.Handler, hub *Hub) *LogRing {
	return &LogRing{to: to, hub: hub, lines: &ringOf{}}
}

// Enabled implements slog.Handler.
func (l *LogRing) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.to.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *LogRing) Handle(ctx context.Context, r slog.Record) error {
	line := LogLine{Time: r.Time, Level: r.Level.String(), Part: l.part, Text: r.Message + l.attrs}
	r.Attrs(func(a slog.Attr) bool {
		line.Text += " " + a.Key + "=" + a.Value.String()
		return true
	})
	if len(line.Text) > 2<<10 {
		line.Text = strings.ToValidUTF8(line.Text[:2<<10], "") + "…"
	}
	l.lines.add(line)
	l.hub.logLine(line)
	if !l.to.Enabled(ctx, r.Level) {
		return nil
	}
	return l.to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler. The attribute that names a part of the gateway is
// the line's part.
func (l *LogRing) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *l
	n.to = l.to.WithAttrs(attrs)
	for _, a := range attrs {
		switch a.Key {
		case "part":
			n.part = a.Value.String()
		case "device", "upstream", "bus":
			n.part = a.Key + " " + a.Value.String()
		default:
			n.attrs += " " + a.Key + "=" + a.Value.String()
		}
	}
	return &n
}

// WithGroup implements slog.Handler.
func (l *LogRing) WithGroup(name string) slog.Handler {
	n := *l
	n.to = l.to.WithGroup(name)
	return &n
}

func (r *ringOf) add(l LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	r.bytes += len(l.Text)
	for len(r.lines) > ringLines || r.bytes > ringBytes {
		r.bytes -= len(r.lines[0].Text)
		r.lines[0] = LogLine{}
		r.lines = r.lines[1:]
	}
}

// Lines returns the newest lines, the oldest first: those of a part ("" is all) and of a
// level at least.
func (l *LogRing) Lines(part string, least slog.Level) []LogLine {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	out := []LogLine{}
	for _, line := range l.lines.lines {
		var level slog.Level
		if level.UnmarshalText([]byte(line.Level)) == nil && level >= least && (part == "" || part == line.Part) {
			out = append(out, line)
		}
	}
	return out
}

func (s *Server) getLog(w http.ResponseWriter, r *http.Request) error {
	var least slog.Level
	if v := r.URL.Query().Get("level"); v != "" {
		if err := least.UnmarshalText([]byte(v)); err != nil {
			return badRequest("level="+v, "debug, info, warn or error")
		}
	}
	lines := []LogLine{}
	if s.o.Ring != nil {
		lines = s.o.Ring.Lines(r.URL.Query().Get("part"), least)
	}
	writeJSON(w, lines)
	return nil
}
