package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/scan"
	"sensorgate/internal/terminal"
)

// newScan looks at everything that is connected, or at one kind of it.
func newScan() *cobra.Command {
	var o scan.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "find ports, chips, units and lines, and print the configuration to paste",
		Long: `Looks at serial ports, I2C, SPI, 1-Wire and GPIO, and with --port also for Modbus units on
that port, and prints what to paste for each thing that was found: sensorgate add asks, and
writes it down. Nothing is written that could change a device; on SPI no memory or display
may be connected: leave it out with --kinds. Stop the gateway first if it uses a bus.`,
		Example: "  sensorgate scan\n  sensorgate scan --port /dev/ttyUSB0\n  sensorgate scan --kinds i2c,w1 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []scan.Found
			at := settings{path: defaultConfig}
			o.Candidates = at.candidates
			sink, done := collect(cmd.ErrOrStderr(), &all)
			err := scan.Run(cmd.Context(), o, sink)
			done()
			if cmd.Context().Err() != nil {
				return nil // asked to stop
			}
			if err != nil {
				return usageError{err}
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), append([]scan.Found{}, all...))
			}
			return printScan(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().StringSliceVar(&o.Kinds, "kinds", nil, "only these: "+strings.Join(scan.Kinds, ","))
	cmd.Flags().StringVar(&o.Port, "port", "", "serial `port`, or tcp://HOST, on which to look for Modbus units")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	cmd.AddCommand(newScanGPIO(), newScanI2C(), newScanSPI(), newScanSerial(), newScanModbus())
	return cmd
}

// collect takes what a scan finds, and shows how far it is where somebody looks on. done
// clears that line.
func collect(w io.Writer, all *[]scan.Found) (sink scan.Sink, done func()) {
	f, ok := w.(*os.File)
	live := ok && isTerminal(f)
	clear := func() {
		if live {
			fmt.Fprint(w, "\r\033[K")
		}
	}
	start := time.Now()
	return scan.Sink{
		Progress: func(p scan.Progress) {
			if !live {
				return
			}
			left := ""
			if p.Done > 0 {
				left = fmt.Sprintf("   %d of %d, at most %s more", p.Done, p.All, (time.Since(start) / time.Duration(p.Done) * time.Duration(p.All-p.Done)).Round(time.Second))
			}
			fmt.Fprintf(w, "\r\033[K%s: %s%s", p.Kind, terminal.Escape(p.What), left)
		},
		Found: func(f scan.Found) { *all = append(*all, f) },
		Failed: func(kind string, err error) {
			clear()
			fmt.Fprintf(w, "%s: %v\n", kind, err)
		},
	}, clear
}

// printScan prints what was found; what cannot be pasted is a comment.
func printScan(w io.Writer, all []scan.Found) error {
	names := map[string]bool{}
	for _, f := range all {
		head := "# " + f.Kind + " " + f.Where + ": " + f.Title
		if f.Used != "" {
			head += "; used by " + f.Used
		}
		if f.Note != "" {
			head += "; " + f.Note
		}
		fmt.Fprintln(w, terminal.Escape(head))
		if f.Text == "" || f.Used != "" || f.Kind == "gpio" {
			continue
		}
		name := scan.Proposal(f.Name, func(n string) bool { return names[n] })
		names[name] = true
		text := f.Device(name)
		if f.Needs == "model" {
			text = "# model = …: sensorgate model list\n" + text
			text = "# " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n# ") + "\n"
		}
		fmt.Fprintln(w, terminal.EscapeText(text))
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "# nothing was found (sensorgate doctor looks why)")
	}
	_, err := fmt.Fprintln(w, "# sensorgate add asks, shows live values, and writes a device down")
	return err
}
