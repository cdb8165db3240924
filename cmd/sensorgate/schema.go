package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

func newSchema() *cobra.Command {
	var keys bool
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "print the JSON Schema of the configuration, for editors that complete and check it",
		Example: `  sensorgate schema > sensorgate.schema.json
  # then, as the first line of the configuration (VS Code: Even Better TOML; others: taplo):
  #:schema ./sensorgate.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cat := gateway.NewHardware(discard).Catalogue()
			if !keys {
				return writeJSON(cmd.OutOrStdout(), config.Schema(cat))
			}
			w := cmd.OutOrStdout()
			for _, t := range config.Describe(cat) {
				fmt.Fprint(w, t.Text())
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&keys, "keys", false, "print all tables and keys for people instead")
	return cmd
}
