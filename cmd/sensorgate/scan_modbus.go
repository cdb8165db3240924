package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sensorgate/drivers/serial"
	"sensorgate/internal/scan"
)

func newScanModbus() *cobra.Command {
	var lines, units string
	var timeout time.Duration
	s := settings{path: defaultConfig}
	cmd := &cobra.Command{
		Use:   "modbus PORT",
		Short: "find Modbus units on a wire: speeds, parities, unit numbers",
		Long: `Asks each unit in each line setting for one register and lists who answers, be it with
a refusal. It writes nothing. Once a line setting has an answer the others are left out.
Who answers is asked who it is: by function 43, by its SunSpec map, and by the registers
that the models know their devices by; the model to write is proposed. PORT may be
tcp://HOST. Stop the gateway first if it uses the port.`,
		Example: "  sensorgate scan modbus /dev/ttyUSB0\n  sensorgate scan modbus 0403:6001 --line '19200 8E1' --unit 1-247",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ls, err := scan.ParseLines(lines)
			if err != nil {
				return usageError{fmt.Errorf("--line: %w", err)}
			}
			us, err := scan.ParseUnits(units)
			if err != nil {
				return usageError{fmt.Errorf("--unit: %w", err)}
			}
			overTCP := strings.HasPrefix(args[0], "tcp://")
			if overTCP && !cmd.Flags().Changed("unit") {
				us = nil // those that are usual there
			}
			if _, err := serial.ParsePort(args[0], serial.Line{}); err != nil && !overTCP {
				return usageError{err}
			}
			o := scan.Options{Kinds: []string{"modbus"}, Port: args[0], Lines: ls, Units: us, Timeout: timeout, Candidates: s.candidates}
			return scanModbus(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o)
		},
	}
	// The words are those of sniff and modbus read; here they take several.
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "lines" || name == "units" {
			name = strings.TrimSuffix(name, "s")
		}
		return pflag.NormalizedName(name)
	})
	cmd.Flags().StringVar(&lines, "line", scan.UsualLines, "speeds and frames to try, in this order")
	cmd.Flags().StringVar(&units, "unit", "1-32", "unit numbers to try, such as 1-10,100,247; over TCP 1-3,71,100,247 unless given")
	cmd.Flags().DurationVar(&timeout, "timeout", 150*time.Millisecond, "how long a unit may think")
	return cmd
}

// scanModbus prints each unit as it is found: the rest may take minutes.
func scanModbus(ctx context.Context, out, errOut io.Writer, o scan.Options) error {
	var failed error
	sink, done := collect(errOut, &[]scan.Found{})
	sink.Found = func(f scan.Found) {
		done()
		writeUnit(out, f)
	}
	sink.Failed = func(_ string, err error) { failed = err }
	err := scan.Run(ctx, o, sink)
	done()
	if ctx.Err() != nil {
		return nil // asked to stop
	}
	return errors.Join(err, failed)
}
