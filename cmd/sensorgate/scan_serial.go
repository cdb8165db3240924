package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/drivers/serial"
	"sensorgate/internal/scan"
	"sensorgate/internal/terminal"
)

func newScanSerial() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "serial",
		Short: "list the serial ports, their stable names, and who has them open",
		Long: `Lists the serial ports that the kernel knows, without opening any: what is plugged in,
the names that stay the same over reboots, and which programs have a port open (as far
as may be seen: root sees all).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ports, err := serial.Ports()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(ports)
			}
			if len(ports) == 0 {
				return fmt.Errorf("no serial ports (adapter plugged in? on a Raspberry Pi: enable_uart=1 in config.txt)")
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			for _, p := range ports {
				usb := ""
				if p.USB != (serial.USBID{}) {
					usb = p.USB.String()
				}
				fmt.Fprintf(w, "# %s\t%s\t%s\t%s\n", p.Path, terminal.Escape(p.Name), terminal.Escape(usb), terminal.Escape(inUse(p.UsedBy)))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			for _, p := range ports {
				fmt.Fprintf(cmd.OutOrStdout(), "port = %q\n", scan.BestName(p))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

func inUse(by []string) string {
	if len(by) == 0 {
		return "free"
	}
	return "in use by " + strings.Join(by, ", ")
}
