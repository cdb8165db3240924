package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/status"
	"sensorgate/internal/terminal"
)

// newJournal is the parent of what looks into the store.
func newJournal() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "look into the store that survives a power cut",
	}
	cmd.AddCommand(newJournalStatus(), newJournalDump(), newJournalVerify(), newJournalSessions(), newJournalBench())
	return cmd
}

// store is where the journal is.
type store struct {
	settings
	dir string
}

func (s *store) flags(cmd *cobra.Command) {
	s.settings.flags(cmd)
	cmd.Flags().StringVar(&s.dir, "dir", "", "data `directory`, instead of the configuration's")
}

func (s *store) find() (string, error) {
	if s.dir != "" {
		return s.dir, nil
	}
	if err := s.denied(s.rootOnly); err != nil {
		return "", err
	}
	c, problems := s.read()
	if c == nil {
		return "", usageError{fmt.Errorf("%w (or name the data directory with --dir)", problems)}
	}
	if c.Data == "" {
		return "", usageError{errors.New(`data = "": this gateway keeps everything in memory`)}
	}
	return c.Data, nil
}

func (s *store) inspect() (*journal.Snapshot, error) {
	dir, err := s.find()
	if err != nil {
		return nil, err
	}
	return journal.Inspect(dir)
}

// running returns where the gateway answers whose store is meant, "" if the store itself must be
// read: a directory was named, or nothing runs on it. A socket that is named is asked.
func (s *store) running(socket string) string {
	if s.dir != "" || socket != "" {
		return socket
	}
	if socket = s.findSocket(); status.Running(socket) { // a broken file is no reason not to ask
		return socket
	}
	return ""
}

func newJournalStatus() *cobra.Command {
	var s store
	var socket string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "queues, what waits in them, and the files of the store",
		Long:  "Asks the gateway that runs, and reads the store itself if none does, or if --dir names one.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at := s.running(socket)
			sum, err := s.summary(cmd.Context(), at)
			if err != nil {
				return err
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), sum)
			}
			return writeStore(cmd.OutOrStdout(), sum, at == "")
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	return cmd
}

// summary asks the gateway at a socket; without one the store is read.
func (s *store) summary(ctx context.Context, socket string) (journal.Summary, error) {
	if socket != "" {
		return status.Store(ctx, socket)
	}
	snap, err := s.inspect()
	if err != nil {
		return journal.Summary{}, err
	}
	defer snap.Close()
	return snap.Summary, nil
}

func writeStore(out io.Writer, snap journal.Summary, outside bool) error {
	used := 0
	for _, seg := range snap.Segments {
		if seg.Used {
			used++
		}
	}
	if len(snap.Segments) == 0 {
		fmt.Fprint(out, "everything is kept in memory (data = \"\")")
	} else {
		fmt.Fprintf(out, "%d files of %d MiB in all, %d in use", len(snap.Segments), snap.Stats.DiskBytes>>20, used)
	}
	if snap.InUse && outside {
		fmt.Fprint(out, "; a gateway is running on it, so the newest records may be missing here")
	}
	fmt.Fprintln(out)
	if snap.Error != "" {
		fmt.Fprintln(out, terminal.Escape(snap.Error))
	}
	if snap.Stats.Damaged > 0 {
		least := ""
		if snap.Stats.DamagedAtLeast {
			least = "at least "
		}
		fmt.Fprintf(out, "%s%d records or values are lost to damage\n", least, snap.Stats.Damaged)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUEUE\tWAITING\tBYTES\tOLDEST\tAPPENDED\tACKED\tDROPPED FULL\tDROPPED AGE\tDAMAGED")
	for _, q := range snap.Queues {
		oldest := "-"
		if !q.Oldest.IsZero() {
			oldest = q.Oldest.Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\n", q.Name, q.Waiting, q.WaitingBytes, oldest,
			q.Appended, q.Acked, q.DroppedFull, q.DroppedAge, q.Damaged)
	}
	return w.Flush()
}

func newJournalDump() *cobra.Command {
	s := store{settings: settings{rootOnly: true}} // the messages are nobody's business
	var entries bool
	cmd := &cobra.Command{
		Use:   "dump [queue...]",
		Short: "print what waits, or the newest values with --entries",
		RunE: func(cmd *cobra.Command, queues []string) error {
			snap, err := s.inspect()
			if err != nil {
				return err
			}
			defer snap.Close()
			d := dumper{out: cmd.OutOrStdout(), json: s.json}
			if entries {
				return snap.Entries("", d.entry)
			}
			if len(queues) == 0 {
				for _, q := range snap.Queues {
					queues = append(queues, q.Name)
				}
			}
			for _, q := range queues {
				d.queue = q
				if err := snap.Records(q, d.record); err != nil {
					return err
				}
			}
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&entries, "entries", false, "the newest values (retained messages, sessions, counters) instead of what waits")
	return cmd
}

// dumper prints one line for each record or entry.
type dumper struct {
	out   io.Writer
	json  bool
	queue string
}

type dumpedRecord struct {
	Queue   string    `json:"queue"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Gap     uint64    `json:"gap,omitempty"` // records that were dropped before it
	Topic   string    `json:"topic,omitempty"`
	QoS     byte      `json:"qos"`
	Retain  bool      `json:"retain,omitempty"`
	Origin  string    `json:"origin,omitempty"`
	Payload string    `json:"payload"`
}

func (d *dumper) record(it journal.Item) error {
	r := dumpedRecord{Queue: d.queue, Seq: uint64(it.Seq), Time: it.Time, Gap: it.Gap}
	if m, err := mqtt.ParseRecord(it.Data); err == nil {
		r.Topic, r.QoS, r.Retain, r.Origin, r.Payload = m.Topic, m.QoS, m.Retain, m.Origin, printable(m.Payload)
	} else {
		r.Payload = printable(it.Data)
	}
	if d.json {
		return writeJSON(d.out, r)
	}
	_, err := fmt.Fprintf(d.out, "%s %d %s %s %s\n", r.Queue, r.Seq, r.Time.Format(time.RFC3339Nano), r.Topic, r.Payload)
	return err
}

func (d *dumper) entry(key string, value []byte) error {
	if topic, is := strings.CutPrefix(key, "retained/"); is {
		if m, err := mqtt.ParseRecord(value); err == nil {
			return d.retained(topic, m)
		}
	}
	if d.json {
		return writeJSON(d.out, map[string]string{"key": key, "value": printable(value)})
	}
	_, err := fmt.Fprintf(d.out, "%s %s\n", printable([]byte(key)), printable(value))
	return err
}

// dumpedRetained is a retained message among the entries.
type dumpedRetained struct {
	Key     string    `json:"key"`
	Time    time.Time `json:"time"`
	Topic   string    `json:"topic"`
	QoS     byte      `json:"qos"`
	Origin  string    `json:"origin,omitempty"`
	Payload string    `json:"payload"`
}

func (d *dumper) retained(topic string, m mqtt.Message) error {
	key := printable([]byte("retained/" + topic))
	if d.json {
		return writeJSON(d.out, dumpedRetained{Key: key, Time: m.Time, Topic: m.Topic, QoS: m.QoS, Origin: m.Origin, Payload: printable(m.Payload)})
	}
	_, err := fmt.Fprintf(d.out, "%s %s %s\n", key, m.Time.Format(time.RFC3339Nano), printable(m.Payload))
	return err
}

// printable shows text as it is and anything else in hexadecimal: what lies in the
// store came from strangers, and this goes to a terminal.
func printable(b []byte) string {
	text := string(b)
	control := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
	if utf8.ValidString(text) && !strings.ContainsFunc(text, control) {
		return text
	}
	return fmt.Sprintf("0x%x", b)
}

func newJournalVerify() *cobra.Command {
	s := store{settings: settings{rootOnly: true}}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "read everything and check it; exit code 1 if something is damaged",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			snap, err := s.inspect()
			if err != nil {
				return err
			}
			defer snap.Close()
			records, damaged, err := snap.ReadAll()
			if err != nil {
				return err
			}
			if snap.Stats.TornBytes > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "the last commit was torn: %d bytes that nobody was promised will be cut at the next start\n", snap.Stats.TornBytes)
			}
			if damaged > 0 {
				return fmt.Errorf("%d of %d records and values are damaged and lost; the gateway starts without them", damaged, records+damaged)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d records and values, all sound\n", records)
			return err
		},
	}
	s.flags(cmd)
	return cmd
}
