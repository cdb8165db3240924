package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/mqtttools"
)

func newDiscovery() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "discovery",
		Short: "what controllers find on a broker: list it, and remove what is left of earlier configurations",
	}
	cmd.AddCommand(newDiscoveryList(), newDiscoveryClean())
	return cmd
}

// discoveryTool looks at the descriptions on one broker.
type discoveryTool struct {
	settings
	mqtttools.Retained
	node string
}

func (d *discoveryTool) register(cmd *cobra.Command) {
	d.settings.flags(cmd)
	d.Retained.Flags(cmd.Flags())
}

// rows lists the descriptions that a sensorgate has left on the broker.
func (d *discoveryTool) rows(ctx context.Context) ([]gateway.Described, error) {
	c, err := d.load(os.Stderr)
	if err != nil {
		return nil, err
	}
	d.At(brokerURL(c))
	found, err := d.List(ctx, gateway.DiscoveryFilters(c)...)
	if err != nil {
		return nil, toolError(err, false)
	}
	return gateway.Descriptions(c, found), nil
}

// brokerURL is where this gateway's broker can be reached without TLS.
func brokerURL(c *config.Config) string {
	for _, l := range c.Broker.Listeners {
		if l.Network == "tcp" {
			return "mqtt://" + l.Address
		}
	}
	return "mqtt://127.0.0.1:1883"
}

func newDiscoveryList() *cobra.Command {
	var d discoveryTool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list what gateways like this one have described for Home Assistant and Homie, and what of it is left over",
		Example: `  sensorgate discovery list
  sensorgate discovery list -L mqtt://homeassistant.local -u barn-pi`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := d.rows(cmd.Context())
			if err != nil {
				return err
			}
			if d.json {
				return writeJSON(cmd.OutOrStdout(), rows)
			}
			return writeDescribed(cmd.OutOrStdout(), rows)
		},
	}
	d.register(cmd)
	return cmd
}

func writeDescribed(w io.Writer, rows []gateway.Described) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TOPIC\tGATEWAY\tSTATE")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.Topic, r.Node, r.State)
	}
	return tw.Flush()
}

// cleaned is what clean has found, and whether it was removed.
type cleaned struct {
	Topics  []string `json:"topics"`
	Removed bool     `json:"removed"`
}

func (c *cleaned) write(w io.Writer) error {
	for _, t := range c.Topics {
		fmt.Fprintln(w, t)
	}
	word := "are left over"
	if c.Removed {
		word = "removed"
	}
	_, err := fmt.Fprintf(w, "%d %s\n", len(c.Topics), word)
	return err
}

func newDiscoveryClean() *cobra.Command {
	var d discoveryTool
	var dry, all bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "remove what is left over of this gateway, or all of another one that is gone",
		Long: `Removes the retained descriptions of this gateway that its configuration does not yield.
A running gateway does so by itself, here and at each upstream that it can reach; this is
for what it cannot do: an upstream whose password is gone with the bridge, a store that was
lost.`,
		Example: `  sensorgate discovery clean --dry-run
  sensorgate discovery clean --all -L mqtt://homeassistant.local -u barn-pi
  sensorgate discovery clean -L mqtt://homeassistant.local --node old-pi`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := d.rows(cmd.Context())
			if err != nil {
				return err
			}
			result := cleaned{Topics: []string{}}
			for _, r := range rows {
				own := d.node == "" && (r.State == gateway.LeftOver || all && r.State == gateway.Wanted)
				if own || d.node != "" && r.Node == d.node && r.State != gateway.Wanted {
					result.Topics = append(result.Topics, r.Topic)
				}
			}
			gateway.SortForRemoval(result.Topics)
			if !dry && len(result.Topics) > 0 {
				if err := d.Remove(cmd.Context(), result.Topics); err != nil {
					return toolError(err, false)
				}
				result.Removed = true
			}
			if d.json {
				return writeJSON(cmd.OutOrStdout(), result)
			}
			return result.write(cmd.OutOrStdout())
		},
	}
	d.register(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only print what would be removed")
	cmd.Flags().BoolVar(&all, "all", false, "also what the configuration yields: at a broker to which no bridge of it describes anything")
	cmd.Flags().StringVar(&d.node, "node", "", "all that the gateway with this `id` has described; it must not be running")
	return cmd
}
