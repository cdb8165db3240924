package main

import "github.com/spf13/cobra"

// newScan is the parent of everything that looks at what is connected.
func newScan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "find ports, chips, units and lines, and print the configuration to paste",
	}
	cmd.AddCommand(newScanGPIO(), newScanI2C(), newScanSPI(), newScanSerial(), newScanModbus())
	return cmd
}
