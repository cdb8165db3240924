package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sensorgate/internal/plot"
	"sensorgate/internal/status"
	"sensorgate/internal/terminal"
	"sensorgate/internal/web"
)

type historyFlags struct {
	settings
	socket, since, to, every string
	csv, all                 bool
}

func newHistory() *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history [DEVICE/CHANNEL]",
		Short: "show what was measured: a plot, a table, CSV or JSON; without a channel, how far back it reaches",
		Long: `Asks the running gateway. Single values are kept for two days, minutes for two weeks,
quarters of an hour for a year; the answer says what its points are. Gaps stay gaps.`,
		Example: `  sensorgate history attic/temperature --since 7d
  sensorgate history meter/energy --since 30d --every 24h --csv > month.csv
  sensorgate history --all > everything.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.socket == "" {
				f.socket = f.findSocket() // a broken file is no reason not to look
			}
			out := cmd.OutOrStdout()
			switch {
			case f.all && len(args) == 0:
				return f.export(cmd.Context(), out)
			case len(args) == 0:
				return f.reach(cmd.Context(), out)
			}
			device, channel, ok := strings.Cut(args[0], "/")
			if !ok || f.all {
				return usageError{fmt.Errorf("found %q, expected DEVICE/CHANNEL, as in: sensorgate history attic/temperature", args[0])}
			}
			return f.show(cmd.Context(), out, device, channel)
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	cmd.Flags().StringVar(&f.since, "since", "24h", "`begin`: a time, or a duration before the end (90m, 7d)")
	cmd.Flags().StringVar(&f.to, "to", "", "`end`, a time as 2026-11-30T08:00:00Z; default now")
	cmd.Flags().StringVar(&f.every, "every", "", "`width` of the slots; default: as fine as 2,000 points allow")
	cmd.Flags().BoolVar(&f.csv, "csv", false, "print CSV")
	cmd.Flags().BoolVar(&f.all, "all", false, "print everything that is kept as CSV")
	return cmd
}

func (f *historyFlags) show(ctx context.Context, w io.Writer, device, channel string) error {
	q := url.Values{"from": {f.since}}
	if f.to != "" {
		q.Set("to", f.to)
	}
	if f.every != "" {
		q.Set("every", f.every)
	}
	path := "/api/v1/devices/" + url.PathEscape(device) + "/channels/" + url.PathEscape(channel) + "/history?" + q.Encode()
	var h web.History
	if err := status.Get(ctx, f.socket, path, func(r io.Reader) error { return json.NewDecoder(r).Decode(&h) }); err != nil {
		return err
	}
	switch {
	case f.json:
		return writeJSON(w, h)
	case f.csv:
		return writeHistoryCSV(w, &h)
	}
	return writeHistory(w, &h)
}

// reach prints how far back the history goes.
func (f *historyFlags) reach(ctx context.Context, w io.Writer) error {
	var info web.HistoryInfo
	if err := status.Get(ctx, f.socket, "/api/v1/history", func(r io.Reader) error { return json.NewDecoder(r).Decode(&info) }); err != nil {
		return err
	}
	if f.json {
		return writeJSON(w, info)
	}
	if !info.Kept {
		_, err := fmt.Fprintln(w, "no history is kept ([history] enabled = false)")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "KEPT\tSINCE\tREACHES BACK\tSIZE")
	for _, t := range info.Tiers {
		since, back := "-", "-"
		if t.From != nil {
			since, back = t.From.Local().Format("2006-01-02 15:04"), status.Age(time.Since(*t.From))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", map[string]string{"raw": "single values"}[t.Tier]+strings.TrimPrefix(t.Tier, "raw"), since, back, status.Bytes(t.Bytes))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s of %s on the disk, %s wait in memory", status.Bytes(info.DiskBytes), status.Bytes(info.DiskLimit), status.Bytes(info.MemoryBytes))
	if info.ClockWaits {
		fmt.Fprint(w, "; times are provisional until the clock is set")
	}
	if info.Error != "" {
		fmt.Fprintf(w, "; not written now: %s", terminal.Escape(info.Error))
	}
	_, err := fmt.Fprintln(w)
	return err
}

// export prints everything, and how much has come on a terminal beside it.
func (f *historyFlags) export(ctx context.Context, w io.Writer) error {
	return status.Get(ctx, f.socket, "/api/v1/history.csv", func(r io.Reader) error {
		p := &progress{r: r, show: isTerminal(os.Stderr) && !isTerminal(os.Stdout), next: time.Now()}
		_, err := io.Copy(w, p)
		p.done()
		return err
	})
}

// progress counts what is read and shows it now and then.
type progress struct {
	r    io.Reader
	show bool
	n    int64
	next time.Time
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	if now := time.Now(); p.show && now.After(p.next) {
		fmt.Fprintf(os.Stderr, "\r%s", status.Bytes(p.n))
		p.next = now.Add(200 * time.Millisecond)
	}
	return n, err
}

func (p *progress) done() {
	if p.show {
		fmt.Fprintf(os.Stderr, "\r%s\n", status.Bytes(p.n))
	}
}

func writeHistoryCSV(w io.Writer, h *web.History) error {
	out := csv.NewWriter(w)
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	rows := [][]string{{"time", "value", "min", "mean", "max", "n"}}
	for _, p := range h.Points {
		rows = append(rows, []string{at(pointTime(p)), number(p[4]), number(p[1]), number(p[2]), number(p[3]), number(p[5])})
	}
	for _, s := range h.States {
		rows = append(rows, []string{at(s.Time), s.State, "", "", "", "1"})
	}
	return out.WriteAll(rows)
}

func pointTime(p web.Point) time.Time { return time.UnixMilli(int64(p[0] * 1000)) }

// whole writes a duration without the zeroes behind its last unit: 10m, not 10m0s.
func whole(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// writeHistory draws numbers, lists states, and says where and why there are gaps.
func writeHistory(w io.Writer, h *web.History) error {
	what := h.Device + "/" + h.Channel
	if h.Unit != "" {
		what += " in " + h.Unit
	}
	n := len(h.Points) + len(h.States)
	values := count(n, "single value")
	if h.Every > 0 {
		values = count(n, "slot") + " of " + whole(time.Duration(h.Every)*time.Second)
	}
	fmt.Fprintf(w, "%s, %s to %s, %s\n", terminal.Escape(what), h.From.Local().Format("2006-01-02 15:04"), h.To.Local().Format("2006-01-02 15:04"), values)
	width, height := 100, 16
	if cols, rows, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		width, height = cols, min(max(rows-8, 6), 24)
	}
	points := make([]plot.Point, len(h.Points))
	for i, p := range h.Points {
		points[i] = plot.Point{Time: pointTime(p), Low: p[1], High: p[3], Value: p[4]}
	}
	for _, l := range plot.Lines(points, h.From.Local(), h.To.Local(), width, height) {
		fmt.Fprintln(w, l)
	}
	writeSinces(w, "", h.States)
	if len(h.Gaps) > 1 || len(h.Gaps) == 1 && h.Gaps[0].State != "ok" {
		writeSinces(w, "state: ", h.Gaps)
	}
	if len(h.Points)+len(h.States) == 0 {
		fmt.Fprintln(w, "nothing was measured in this time")
	}
	return nil
}

// writeSinces lists states, the newest twenty.
func writeSinces(w io.Writer, label string, all []web.StateSince) {
	if more := len(all) - 20; more > 0 {
		fmt.Fprintf(w, "%d earlier ones are left out (--csv has all)\n", more)
		all = all[more:]
	}
	for _, s := range all {
		fmt.Fprintf(w, "%s  %s%s\n", s.Time.Local().Format("2006-01-02 15:04:05"), label, terminal.Escape(s.State))
	}
}
