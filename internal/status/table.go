package status

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/terminal"
)

// WriteTable writes the snapshot for people: devices with their values and ages,
// upstreams with what waits for them. Texts from outside (values, reasons, names) are
// escaped: the table goes to a terminal, and one value must stay in one cell. With raw,
// what the device itself reported stands beside what is published.
func (s *Snapshot) WriteTable(w io.Writer, raw bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  sensorgate %s  up %s  %s\n", s.Node, s.Version, Age(s.Time.Sub(s.Started)), s.listening())
	for _, why := range s.NotListening {
		fmt.Fprintf(&b, "%s\n", terminal.EscapeText(why))
	}
	if !s.TimeSynced {
		b.WriteString("clock not synchronised: readings carry \"time_synced\": false\n")
	}
	s.clockRow(&b)
	if s.ConfigErr != "" {
		fmt.Fprintf(&b, "last reload refused: %s\n", terminal.EscapeText(s.ConfigErr))
	}
	b.WriteByte('\n')
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if raw {
		fmt.Fprintln(tw, "DEVICE\tCHANNEL\tVALUE\tRAW\tAGE\tSTATE")
	} else {
		fmt.Fprintln(tw, "DEVICE\tCHANNEL\tVALUE\tAGE\tSTATE")
	}
	for _, d := range s.Devices {
		s.deviceRows(tw, d, raw)
	}
	fmt.Fprintln(tw)
	if len(s.Upstreams) > 0 {
		fmt.Fprintln(tw, "UPSTREAM\tSTATE\tWAITING\tOLDEST\tSENT\tDROPPED")
	}
	for _, u := range s.Upstreams {
		oldest := "-"
		if !u.Oldest.IsZero() {
			oldest = Age(s.Time.Sub(u.Oldest))
		}
		fmt.Fprintf(tw, "%s\t%s\t%d (%s)\t%s\t%d\t%d\n", terminal.Escape(u.Name), terminal.Escape(u.condition()), u.Waiting, Bytes(u.WaitingBytes), oldest, u.Sent, u.Dropped)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, l := range s.LeftOver {
		fmt.Fprintf(&b, "\nto be removed at %s: what [%s] described over bridge %s%s; or by hand: %s\n", terminal.Escape(l.URL), terminal.Escape(l.Convention),
			terminal.Escape(l.Bridge), l.reason(), terminal.Escape(l.Try))
	}
	fmt.Fprintf(&b, "\nbroker: %d clients, %d received, %d sent, %d dropped", s.Broker.Clients, s.Broker.Received, s.Broker.Sent, s.Broker.Dropped)
	if s.Broker.MemoryLimit > 0 {
		fmt.Fprintf(&b, ", %s of %s for clients", Bytes(s.Broker.Memory), Bytes(s.Broker.MemoryLimit))
	}
	switch {
	case s.Journal.Dir == "":
		b.WriteString("; journal: in memory only")
	case s.Journal.Error != "":
		fmt.Fprintf(&b, "; journal: %s", terminal.Escape(s.Journal.Error))
	default:
		fmt.Fprintf(&b, "; journal: %d records, %s, written %s", s.Journal.Records, Bytes(int64(s.Journal.Bytes)), Bytes(int64(s.Journal.BytesWritten)))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// listening is where clients may connect.
func (s *Snapshot) listening() string {
	if len(s.Listeners) == 0 {
		return "listening nowhere"
	}
	return "listening " + strings.Join(s.Listeners, " ")
}

// deviceRows writes a row per channel: in the first the state of the device, in each what
// is wrong with that channel. A channel that is only configured has none before it came.
func (s *Snapshot) deviceRows(w io.Writer, d Device, raw bool) {
	state := d.condition()
	name := d.Name
	row := func(channel, value, was, age, state string) {
		cells := []string{name, channel, value, age, state}
		if raw {
			cells = []string{name, channel, value, was, age, state}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
		name = ""
	}
	for _, c := range d.Channels {
		if c.State == drivers.Starting && !c.Value.Valid() {
			continue
		}
		value, was, age := "-", "-", "-"
		if c.Value.Valid() {
			value, was, age = cell(c.Value, c.Unit), cell(c.Raw, c.RawUnit), Age(s.Time.Sub(c.Time))
		}
		if c.State == drivers.Missing || d.State == drivers.Degraded && c.State == drivers.Failing {
			state = strings.TrimPrefix(state+"; "+string(c.State)+": "+terminal.Escape(c.Error), "; ")
		}
		row(terminal.Escape(c.Name), value, was, age, state)
		state = ""
	}
	if name != "" {
		row("-", "-", "-", "-", state)
	}
}

func cell(v Value, unit string) string {
	return terminal.Escape(strings.TrimSpace(v.String() + " " + unit))
}

// condition is the state of the device; which channels are wrong stands in their rows.
func (d *Device) condition() string {
	if d.Error == "" || d.State == drivers.Degraded {
		return string(d.State)
	}
	return string(d.State) + ": " + terminal.Escape(d.Error)
}

func (u *Upstream) condition() string {
	if u.Connected {
		return "connected"
	}
	if u.Error != "" {
		return "away: " + u.Error
	}
	return "away"
}

func (l *LeftOver) reason() string {
	if l.Error == "" {
		return ""
	}
	return " (" + terminal.Escape(l.Error) + ")"
}

// Age writes a duration as people say it: 3s, 4m10s, 3h12m, 12d4h.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// Bytes writes a size in binary units: 512 B, 3.4 KiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for f >= 1024 && unit < 3 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[unit])
}

// clockRow writes what waits for the clock.
func (s *Snapshot) clockRow(b *strings.Builder) {
	// Not all messages were looked at, and none of those waits: no news for people.
	if w := s.WaitsForClock; w != nil && *w != (WaitsForClock{AtLeast: true}) {
		more := ""
		if w.AtLeast {
			more = " or more"
		}
		fmt.Fprintf(b, "waiting for the clock, whether they have expired: %d records of spools, %d%s messages, %d retained, %d sessions, %d wills\n",
			w.Records, w.Messages, more, w.Retained, w.Sessions, w.Wills)
	}
}
