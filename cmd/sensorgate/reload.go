package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

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
			if err := s.denied(true); err != nil {
				return err
			}
			c, problems := s.read() // a broken file is explained here, and the gateway's to refuse
			if len(problems) > 0 {
				if err := s.explain(os.Stderr, problems); err != nil {
					return err
				}
			}
			if socket == "" {
				socket = s.findSocket()
			}
			err := status.Reload(cmd.Context(), socket)
			switch {
			case c == nil && (err == nil || errors.Is(err, status.ErrNotRunning)):
				return usageError{errReported}
			case c == nil:
				return usageError{errors.New("reload refused; the running configuration is unchanged")}
			case err != nil:
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "reloaded")
			return err
		},
	}
	cmd.Flags().StringVarP(&s.path, "config", "c", defaultConfig, "configuration `file` of the running gateway")
	cmd.Flags().StringVar(&socket, "socket", "", "control `socket` of the gateway, if it is not the usual one")
	return cmd
}
