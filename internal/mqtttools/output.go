package mqtttools

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// output is where Sub prints: message by message, one line a topic, or how many come.
type output struct {
	*bufio.Writer
	s    *Sub
	came int // in this second, for --message-rate

	lines map[string]string // of --watch, by topic
	dirty bool
}

func (s *Sub) output(w io.Writer) *output {
	return &output{Writer: bufio.NewWriter(w), s: s, lines: map[string]string{}}
}

// message prints one message, or notes it for the next look.
func (o *output) message(m *message) {
	o.came++
	switch {
	case o.s.rate:
	case o.s.watch:
		o.lines[m.topic] = o.line(m)
		o.dirty = true
	default:
		o.Write(o.s.append(nil, m, time.Now()))
		if !o.s.noEOL {
			o.WriteByte('\n')
		}
	}
}

// line is the newest message of a topic, in one line.
func (o *output) line(m *message) string {
	p := o.s.printer
	p.verbose = p.format == ""
	return strings.ReplaceAll(string(p.append(nil, m, time.Now())), "\n", " ")
}

// second ends one second of --message-rate.
func (o *output) second() {
	if o.s.rate {
		fmt.Fprintf(o, "%d\n", o.came)
		o.came = 0
	}
	if err := o.flush(); err != nil {
		return // the next flush reports it again
	}
}

// maxWatched bounds the lines of --watch where the size of the terminal is not known.
const maxWatched = 10_000

// flush writes what was printed; of --watch the whole screen, in the order of the topics
// (ECMA-48 8.3.21, 8.3.41, 8.3.39), as much as the terminal has room for.
func (o *output) flush() error {
	if o.dirty {
		o.dirty = false
		columns, rows := maxWidth, maxWatched
		if o.s.Size != nil {
			columns, rows = o.s.Size()
		}
		topics := make([]string, 0, len(o.lines))
		for topic := range o.lines {
			topics = append(topics, topic)
		}
		slices.Sort(topics)
		o.WriteString("\x1b[H")
		for i, topic := range topics {
			if i >= rows-1 && len(topics) > rows {
				fmt.Fprintf(o, "… %d more topics\x1b[K", len(topics)-i)
				break
			}
			if i > 0 {
				o.WriteString("\r\n")
			}
			o.WriteString(cut(o.lines[topic], columns) + "\x1b[K")
		}
		o.WriteString("\x1b[J")
	}
	return o.Flush()
}

// cut is as much of a line as columns can hold.
func cut(line string, columns int) string {
	if utf8.RuneCountInString(line) <= columns {
		return line
	}
	return string([]rune(line)[:max(columns-1, 0)]) + "…"
}
