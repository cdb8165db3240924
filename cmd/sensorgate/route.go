package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/describe"
	"sensorgate/internal/mqtt"
)

func newRoute() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "route TOPIC [FILE]",
		Short: "show where a message on TOPIC would go, and what a message there would come back as",
		Example: `  sensorgate route barn-pi/grid/power
  sensorgate route sites/42/barn-pi/pump/state/set     # a topic of an upstream`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.fileArg(cmd, args, 1); err != nil {
				return err
			}
			if err := mqtt.CheckTopic(args[0]); err != nil {
				return usageError{err}
			}
			c, err := s.load(os.Stderr)
			if err != nil {
				return err
			}
			hops := c.Route(args[0])
			if s.json {
				return writeJSON(cmd.OutOrStdout(), hops)
			}
			w := cmd.OutOrStdout()
			n := describe.Of(c)
			for _, t := range n.Topics() {
				switch {
				case t.Topic != args[0]:
				case t.Device == "":
					fmt.Fprintf(w, "%s is used for the %s of this gateway\n", t.Topic, t.Use)
				default:
					fmt.Fprintf(w, "%s is used for the %s of device %s\n", t.Topic, t.Use, t.Device)
				}
			}
			for _, h := range hops {
				fmt.Fprintln(w, h.Sentence())
			}
			if len(hops) == 0 {
				fmt.Fprintln(w, "no rule sends or fetches it: it stays with the local broker")
			}
			return nil
		},
	}
	s.flags(cmd)
	return cmd
}
