package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
)

// usualLines are tried in this order: most meters leave the factory with one of the first.
const usualLines = "9600 8N1,9600 8E1,19200 8E1,19200 8N1,2400 8N1,38400 8N1,115200 8N1,4800 8N1,9600 8N2,9600 8O1"

func newScanModbus() *cobra.Command {
	var lines, units string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "modbus PORT",
		Short: "find Modbus units on a wire: speeds, parities, unit numbers",
		Long: `Asks each unit in each line setting for one register and lists who answers, be it with
a refusal. It writes nothing. Once a line setting has an answer the others are left out.
Stop the gateway first if it uses the port.`,
		Example: "  sensorgate scan modbus /dev/ttyUSB0\n  sensorgate scan modbus 0403:6001 --lines '19200 8E1' --units 1-247",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ls, err := parseLines(lines)
			if err != nil {
				return usageError{fmt.Errorf("--lines: %w", err)}
			}
			us, err := parseUnits(units)
			if err != nil {
				return usageError{fmt.Errorf("--units: %w", err)}
			}
			return withWire(cmd.Context(), args[0], "", func(ctx context.Context, b *serial.Bus) error {
				return scanModbus(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr(), b, args[0], ls, us, timeout)
			})
		},
	}
	cmd.Flags().StringVar(&lines, "lines", usualLines, "line settings to try, in this order")
	cmd.Flags().StringVar(&units, "units", "1-32", "unit numbers to try, such as 1-10,100,247")
	cmd.Flags().DurationVar(&timeout, "timeout", 150*time.Millisecond, "how long a unit may think")
	return cmd
}

func scanModbus(ctx context.Context, out, errOut io.Writer, b *serial.Bus, port string, lines []serial.Line, units []byte, timeout time.Duration) error {
	live := false
	if f, ok := errOut.(*os.File); ok {
		live = term.IsTerminal(int(f.Fd()))
	}
	start, n := time.Now(), 0
	err := modbus.Scan(ctx, b, lines, units, timeout, func(line serial.Line, unit byte, done, total int) {
		if !live {
			return
		}
		left := "…"
		if done > 0 {
			left = (time.Since(start) / time.Duration(done) * time.Duration(total-done)).Round(time.Second).String()
		}
		fmt.Fprintf(errOut, "\r\033[K%s unit %d   %d of %d, at most %s more", line, unit, done, total, left)
	}, func(f modbus.Found) {
		n++
		if live {
			fmt.Fprint(errOut, "\r\033[K")
		}
		fmt.Fprintf(out, "[device.unit%d]   # %s\ndriver = \"modbus\"   # or model = …, see: sensorgate model list\nserial = { port = %q, line = \"%s\" }\nunit   = %d\n\n",
			f.Unit, f.Says, port, f.Line, f.Unit)
	})
	if live {
		fmt.Fprint(errOut, "\r\033[K")
	}
	if err == nil && n == 0 {
		return fmt.Errorf("no unit answered on %s (wires A and B swapped? termination? more units: --units 1-247)", port)
	}
	return err
}

func parseLines(s string) (lines []serial.Line, err error) {
	for _, part := range strings.Split(s, ",") {
		var l serial.Line
		if err := l.UnmarshalText([]byte(part)); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// parseUnits reads "1-10,100".
func parseUnits(s string) (units []byte, err error) {
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || low < 1 || high > 247 || low > high {
			return nil, fmt.Errorf("found %q, expected numbers from 1 to 247, such as 1-10,100", part)
		}
		for u := low; u <= high; u++ {
			units = append(units, byte(u))
		}
	}
	return units, nil
}
