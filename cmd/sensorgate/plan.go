package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/status"
)

func newPlan() *cobra.Command {
	var s settings
	var from, socket string
	cmd := &cobra.Command{
		Use:   "plan [FILE]",
		Short: "show what a reload would change",
		Long: `Asks the running gateway what would change if it read its configuration again; or,
with --from, compares two files. Nothing is changed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.fileArg(cmd, args, 0); err != nil {
				return err
			}
			c, err := s.load(os.Stderr)
			if err != nil {
				return err
			}
			changes, err := s.changes(cmd.Context(), c, from, socket)
			if err != nil {
				return err
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), changes)
			}
			writeChanges(cmd.OutOrStdout(), changes)
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "compare with this `file` instead of the running gateway")
	cmd.Flags().StringVar(&socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	return cmd
}

func (s *settings) changes(ctx context.Context, c *config.Config, from, socket string) (changes config.Changes, err error) {
	if from != "" {
		old := settings{path: from, json: s.json}
		was, err := old.load(os.Stderr)
		if err != nil {
			return changes, err
		}
		return config.Diff(was, c), nil
	}
	if socket == "" {
		socket = s.findSocket()
	}
	data, err := status.Plan(ctx, socket)
	if err != nil {
		return changes, fmt.Errorf("%w; or compare two files: sensorgate plan --from OLD", err)
	}
	if err := json.Unmarshal(data, &changes); err != nil {
		return changes, errors.New("the gateway's answer cannot be read: it is of another version than this program")
	}
	return changes, nil
}

func writeChanges(w io.Writer, c config.Changes) {
	for _, ch := range c.Restart {
		fmt.Fprintf(w, "! %s: %s (needs a restart: systemctl restart sensorgate)\n", ch.Name, strings.Join(ch.Why, "; "))
	}
	for _, ch := range c.Broker {
		fmt.Fprintf(w, "~ %s: %s\n", ch.Name, strings.Join(ch.Why, "; "))
	}
	for _, ch := range c.Conventions {
		fmt.Fprintf(w, "~ %s: %s\n", ch.Name, strings.Join(ch.Why, "; "))
	}
	for _, t := range []struct {
		kind   string
		tables config.Tables
	}{{"serial", c.Serial}, {"device", c.Devices}, {"bridge", c.Bridges}} {
		for _, name := range t.tables.Added {
			fmt.Fprintf(w, "+ %s.%s\n", t.kind, name)
		}
		for _, ch := range t.tables.Changed {
			fmt.Fprintf(w, "~ %s.%s: %s\n", t.kind, ch.Name, strings.Join(ch.Why, "; "))
		}
		for _, name := range t.tables.Removed {
			fmt.Fprintf(w, "- %s.%s\n", t.kind, name)
		}
	}
	if c.Empty() {
		fmt.Fprintln(w, "nothing changes")
		return
	}
	fmt.Fprintln(w, "Everything else goes on untouched.")
}
