package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sensorgate/drivers/spi"
	"sensorgate/internal/scan"
)

func newScanSPI() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "spi [BUS.SELECT]",
		Short: "name the chips on the SPI selects and print the configuration to paste",
		Long: `Asks every select that programs may use (/dev/spidev*), or one, what is there. SPI has no
addresses and no acknowledgement: what is sent reaches whatever chip there is. It sends
zeros, and where these are answered with nothing the question for the id of a BME280 and of
an ADXL345 and a conversion of an MCP3008. Do not scan a select with a memory or a display.
Stop the gateway first if it uses the bus.`,
		Example: "  sensorgate scan spi\n  sensorgate scan spi 0.1",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			selects, err := spi.Selects()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				selects = make([]spi.Addr, 1)
				if err := selects[0].UnmarshalText([]byte(args[0])); err != nil {
					return usageError{err}
				}
			}
			if len(selects) == 0 {
				return fmt.Errorf("no SPI select (on a Raspberry Pi: dtparam=spi=on in config.txt; an overlay for a chip takes its select away)")
			}
			return scanSPI(cmd.Context(), cmd.OutOrStdout(), selects, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

func scanSPI(ctx context.Context, w io.Writer, selects []spi.Addr, asJSON bool) error {
	buses := spi.NewBuses(discard)
	var all []spi.Found
	err := scan.During(ctx, buses.Run, func(ctx context.Context) error {
		for _, a := range selects {
			f, err := spi.Scan(ctx, buses, a)
			if err != nil {
				return err
			}
			all = append(all, f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, all)
	}
	for _, f := range all {
		if f.Chip == "" {
			fmt.Fprintf(w, "\n# %s: %s (driver = \"spi\" describes a chip that is not in the list)\n", f.Addr, f.Note)
			continue
		}
		if !f.Sure {
			fmt.Fprintf(w, "\n# %s answers as a %s does%s\n", f.Addr, f.Chip, strings.TrimSuffix("; "+f.Note, "; "))
		}
		fmt.Fprintf(w, "[device.%s_%d_%d]\ndriver = %q\nspi    = %q\n", f.Chip, f.Addr.Bus, f.Addr.Select, f.Chip, f.Addr)
	}
	return nil
}
