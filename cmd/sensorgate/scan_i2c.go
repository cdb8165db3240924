package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sensorgate/drivers/i2c"
	"sensorgate/internal/scan"
)

func newScanI2C() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "i2c [BUS]",
		Short: "name the chips on the I2C buses and print the configuration to paste",
		Long: `Asks every address of every I2C bus, or of one, whether somebody is there, and those
that are for their ids. It writes nothing that could change a chip: where a chip may
be that takes any byte as a command, it only prints what could be there. Addresses that a
kernel driver owns are left alone; what it measures is read with driver = "iio" or
"hwmon". Stop the gateway first if it uses the bus.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var buses []string
			adapters, err := i2c.Adapters()
			if err != nil {
				return err
			}
			for _, a := range adapters {
				if len(args) == 0 || args[0] == strconv.Itoa(a.Number) || args[0] == a.Name {
					buses = append(buses, strconv.Itoa(a.Number))
					if !asJSON {
						fmt.Fprintf(cmd.OutOrStdout(), "# bus %d: %s\n", a.Number, a.Name)
					}
				}
			}
			switch {
			case len(buses) == 0 && len(args) == 1:
				buses = args // the error of opening it has what to try
			case len(buses) == 0:
				return fmt.Errorf("no I2C bus (on a Raspberry Pi: dtparam=i2c_arm=on in config.txt; elsewhere: modprobe i2c-dev)")
			}
			return scanI2C(cmd.Context(), cmd.OutOrStdout(), buses, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

func scanI2C(ctx context.Context, w io.Writer, names []string, asJSON bool) error {
	buses := i2c.NewBuses(discard)
	var all []i2c.Found
	err := scan.During(ctx, buses.Run, func(ctx context.Context) error {
		for _, name := range names {
			found, err := i2c.Scan(ctx, buses, name)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, all)
	}
	printFound(w, all)
	return nil
}

// printFound prints what to paste; what is not sure is a comment.
func printFound(w io.Writer, all []i2c.Found) {
	if len(all) == 0 {
		fmt.Fprintln(w, "# nothing answers")
	}
	for i, f := range all {
		switch {
		case f.Kernel != "":
			fmt.Fprintf(w, "\n# %s belongs to the kernel's driver %s: driver = \"iio\" or \"hwmon\"\n", f.Addr, f.Kernel)
			continue
		case f.Chip == "" && len(f.Others) == 0:
			fmt.Fprintf(w, "\n# %s answers; no chip that we know has this address (driver = \"i2c\" describes one)\n", f.Addr)
			continue
		case f.Chip == "":
			fmt.Fprintf(w, "\n# %s answers and cannot be asked who it is. It could be: %s\n", f.Addr, strings.Join(f.Others, ", "))
			continue
		case f.Sure && f.Note != "":
			fmt.Fprintf(w, "\n# %s\n", f.Note)
		case f.Sure:
			fmt.Fprintln(w)
		default:
			fmt.Fprintf(w, "\n# %s is probably a %s; it could be: %s\n", f.Addr, f.Chip, strings.Join(f.Others, ", "))
		}
		fmt.Fprintf(w, "[device.%s_%d]\ndriver = %q\ni2c    = %q\n", f.Chip, i+1, f.Chip, f.Addr)
	}
}
