package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/describe"
	"sensorgate/internal/gateway"
)

// topicRow is one topic with the upstream rules that it meets.
type topicRow struct {
	describe.Topic
	Rules []config.Hop `json:"rules"`
}

func newTopics() *cobra.Command {
	var s settings
	var schema bool
	cmd := &cobra.Command{
		Use:   "topics [FILE]",
		Short: "list every topic this gateway will use, with unit, QoS and the upstream rules it meets",
		Long: `Lists the topics of the devices in the order of the file, those of the gateway itself, and
the descriptions for Home Assistant and Homie. --schema prints a JSON Schema (2020-12) with
a property for each topic: the schema of its messages, for programs that read them.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.fileArg(cmd, args, 0); err != nil {
				return err
			}
			c, err := s.load(os.Stderr)
			if err != nil {
				return err
			}
			n := describe.Of(c)
			if schema {
				return writeJSON(cmd.OutOrStdout(), n.Schema())
			}
			rows := []topicRow{}
			for _, t := range append(n.Topics(), gateway.DiscoveryTopics(c)...) {
				rows = append(rows, topicRow{t, c.Route(t.Topic)})
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), rows)
			}
			return writeTopics(cmd.OutOrStdout(), rows)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&schema, "schema", false, "print a JSON Schema of the messages instead")
	return cmd
}

func writeTopics(w io.Writer, rows []topicRow) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TOPIC\tUSE\tUNIT\tQOS\tRETAINED\tUPSTREAM")
	for _, r := range rows {
		retained := "-"
		if r.Retain {
			retained = "yes"
		}
		hops := make([]string, len(r.Rules))
		for i, h := range r.Rules {
			hops[i] = h.Short()
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", r.Topic.Topic, r.Use, orDash(r.Unit), r.QoS, retained, orDash(strings.Join(hops, ", ")))
	}
	return tw.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
