package main

import "github.com/spf13/cobra"

// newBench is the parent of the measurements.
func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure this program on this machine",
	}
	cmd.AddCommand(newBenchBroker(), newBenchServe(), newBenchBridge(), newBenchSink())
	return cmd
}
