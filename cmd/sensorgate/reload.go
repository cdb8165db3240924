package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/gateway"
	"sensorgate/internal/status"
)

func newReload() *cobra.Command {
	var s settings
	var socket string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "make the running gateway read its configuration again; what did not change goes on untouched",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if socket == "" {
				c, problems := s.read() // a broken file is the gateway's to refuse
				socket = gateway.FindSocket(c)
				if _, err := os.Stat(socket); c == nil && err != nil {
					// It does not even name the place where its gateway listens.
					if err := s.explain(os.Stderr, problems); err != nil {
						return err
					}
					return usageError{errReported}
				}
			}
			if err := status.Reload(cmd.Context(), socket); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "reloaded")
			return err
		},
	}
	cmd.Flags().StringVarP(&s.path, "config", "c", defaultConfig, "configuration `file` of the running gateway")
	cmd.Flags().StringVar(&socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	return cmd
}
