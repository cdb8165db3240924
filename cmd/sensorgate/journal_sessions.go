package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/broker"
	"sensorgate/internal/gateway"
	"sensorgate/internal/journal"
	"sensorgate/internal/status"
	"sensorgate/internal/terminal"
)

// sessionsCommand holds the flags of journal sessions.
type sessionsCommand struct {
	store
	socket  string
	remove  bool
	goneFor time.Duration
}

func newJournalSessions() *cobra.Command {
	var s sessionsCommand
	cmd := &cobra.Command{
		Use:   "sessions [CLIENT...]",
		Short: "list the MQTT sessions with what waits for them, or remove some",
		Long: `Lists the sessions of the broker, or those with the client ids that are named. A gateway
that runs is asked; else the store itself is read, where only persistent sessions are.
--remove ends them with all that waits for them; a client that is connected is
disconnected first.`,
		Example: "  sudo sensorgate journal sessions --gone-for 720h\n  sudo sensorgate journal sessions --remove old-panel",
		RunE: func(cmd *cobra.Command, clients []string) error {
			if s.remove && len(clients) == 0 && s.goneFor == 0 {
				return usageError{errors.New("--remove needs client ids, or --gone-for")}
			}
			return s.run(cmd, clients)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&s.socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	cmd.Flags().BoolVar(&s.remove, "remove", false, "end these sessions, with all that waits for them")
	cmd.Flags().DurationVar(&s.goneFor, "gone-for", 0, "only sessions whose client has been away longer than this")
	return cmd
}

func (s *sessionsCommand) run(cmd *cobra.Command, clients []string) error {
	if s.remove && s.dir == "" {
		if err := s.denied(true); err != nil {
			return err
		}
	}
	sessions, err := s.from()
	if err != nil {
		return err
	}
	list, err := sessions.list(cmd.Context())
	if err != nil {
		return err
	}
	chosen, missing := s.choose(list, clients, time.Now())
	if s.remove {
		if missing != nil {
			return missing // before anything is removed
		}
		err = removeSessions(cmd.Context(), cmd.OutOrStdout(), sessions, chosen)
		return err
	}
	if s.json {
		err = writeJSON(cmd.OutOrStdout(), chosen)
	} else {
		err = writeSessions(cmd.OutOrStdout(), chosen, time.Now())
	}
	return cmp.Or(err, missing)
}

// choose picks the sessions that are asked for.
func (s *sessionsCommand) choose(list []broker.SessionInfo, clients []string, now time.Time) (chosen []broker.SessionInfo, missing error) {
	chosen = []broker.SessionInfo{}
	for _, i := range list {
		named := len(clients) == 0 || slices.Contains(clients, i.Client)
		away := s.goneFor == 0 || !i.Connected && !i.Gone.IsZero() && now.Sub(i.Gone) > s.goneFor
		if named && away {
			chosen = append(chosen, i)
		}
	}
	for _, c := range clients {
		if !slices.ContainsFunc(list, func(i broker.SessionInfo) bool { return i.Client == c }) {
			missing = errors.Join(missing, fmt.Errorf("client %q: %w", c, broker.ErrNoSession))
		}
	}
	return chosen, missing
}

func removeSessions(ctx context.Context, w io.Writer, from sessionSource, chosen []broker.SessionInfo) error {
	var clients []string
	for _, i := range chosen {
		clients = append(clients, i.Client)
	}
	removed, err := from.remove(ctx, clients)
	if _, werr := fmt.Fprintf(w, "%s removed\n", count(removed, "session")); werr != nil {
		return werr
	}
	return err
}

func writeSessions(w io.Writer, list []broker.SessionInfo, now time.Time) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CLIENT\tUSER\tSTATE\tEXPIRES\tFILTERS\tWAITING\tBYTES")
	for _, i := range list {
		state, expires := "was connected", "never"
		switch {
		case i.Connected:
			state, expires = "connected "+terminal.Escape(i.Address), "-"
		case !i.Gone.IsZero():
			state = "away " + status.Age(now.Sub(i.Gone))
		}
		if !i.Expires.IsZero() {
			expires = "in " + status.Age(i.Expires.Sub(now))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", terminal.Escape(i.Client), orDash(terminal.Escape(i.User)), state, expires, i.Subscriptions, i.Waiting, status.Bytes(i.WaitingBytes))
	}
	return tw.Flush()
}

// sessionSource is where the sessions are: a gateway that runs, or the store.
type sessionSource interface {
	list(ctx context.Context) ([]broker.SessionInfo, error)
	// remove reports how many were removed, also with an error.
	remove(ctx context.Context, clients []string) (int, error)
}

// from finds the gateway, if one runs and no directory was named.
func (s *sessionsCommand) from() (sessionSource, error) {
	if socket := s.running(s.socket); socket != "" {
		return runningSessions(socket), nil
	}
	dir, err := s.find()
	return storedSessions(dir), err
}

// runningSessions is the socket of a gateway.
type runningSessions string

func (r runningSessions) list(ctx context.Context) (list []broker.SessionInfo, err error) {
	err = status.Sessions(ctx, string(r), &list)
	return list, err
}

func (r runningSessions) remove(ctx context.Context, clients []string) (n int, err error) {
	for _, c := range clients {
		if e := status.RemoveSession(ctx, string(r), c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		n++
	}
	return n, err
}

// storedSessions is the directory of a store that no gateway uses.
type storedSessions string

func (d storedSessions) list(context.Context) (list []broker.SessionInfo, err error) {
	snap, err := journal.Inspect(string(d))
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	waiting := map[string]journal.QueueStats{}
	for _, q := range snap.Queues {
		waiting[q.Name] = q
	}
	err = snap.Entries("", func(key string, value []byte) error {
		i, ok, _ := broker.StoredSession(key, value) // one that cannot be read is listed by its id
		if !ok {
			return nil
		}
		q := waiting[broker.StoredQueue(i.Client)]
		i.Waiting, i.WaitingBytes = q.Waiting, q.WaitingBytes
		list = append(list, i)
		return nil
	})
	sort.Slice(list, func(i, k int) bool { return list[i].Client < list[k].Client })
	return list, err
}

func (d storedSessions) remove(_ context.Context, clients []string) (n int, err error) {
	snap, err := journal.Inspect(string(d))
	if err != nil {
		return 0, err
	}
	used := int64(snap.Stats.DiskBytes)
	snap.Close()
	j, err := journal.Open(gateway.StoreOptions(string(d), used, discard))
	if err != nil {
		return 0, err
	}
	for _, c := range clients {
		if e := broker.RemoveStored(j, c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		n++
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // Run writes what is left and closes the store
	return n, errors.Join(err, j.Run(ended))
}
