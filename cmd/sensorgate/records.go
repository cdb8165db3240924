package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/drivers/serial/meters"
)

func newModelRecords() *cobra.Command {
	return &cobra.Command{
		Use:   "records",
		Short: "list the names that records of an M-Bus meter can have",
		Long: `Lists the names that records of an M-Bus meter can have, with their units: what to write
as record = "…" in a channel of driver mbus. What comes behind a name (_l1, _max, _s1, _t1,
_u1, _2) is the record's phase, extreme, storage, tariff, subunit and place. What a meter of
yours really sends is listed by sensorgate read and sniff.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "RECORD\tUNIT")
			for _, c := range meters.MBusRecords() {
				fmt.Fprintf(w, "%s\t%s\n", c.Name, c.Unit)
			}
			return w.Flush()
		},
	}
}
