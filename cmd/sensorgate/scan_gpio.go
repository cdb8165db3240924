package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/drivers/gpio"
)

func newScanGPIO() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "gpio",
		Short: "list GPIO lines, who uses them, and the configuration of a free one",
		Long: "List the lines of all GPIO chips with their names, header pins and users.\n" +
			"No line is touched, so it is safe on a machine that is at work.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			board, lines, err := gpio.NewChips(slog.New(slog.DiscardHandler)).Scan()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(lines)
			}
			return printLines(cmd.OutOrStdout(), board, lines, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also lines without a name")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func printLines(w io.Writer, board string, lines []gpio.Found, all bool) error {
	if len(lines) == 0 {
		fmt.Fprintln(w, "no GPIO chip: there is no /dev/gpiochip* on this machine")
		return nil
	}
	if board != "" {
		fmt.Fprintln(w, "board:", board)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "LINE\tPIN\tCHIP\tLABEL\tDIRECTION\tUSED BY")
	hidden := 0
	var free gpio.Ref
	for _, l := range lines {
		if l.Name == "" && !all {
			hidden++
			continue
		}
		if free == "" && !l.Used && (l.Pin != "" || board == "") {
			free = l.Ref
		}
		fmt.Fprintln(t, strings.Join([]string{l.Name, l.Pin, fmt.Sprintf("%s:%d", l.Chip.Name, l.Offset), l.Chip.Label, direction(l), lineUser(l)}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(w, "%d lines without a name are not shown (--all)\n", hidden)
	}
	if free != "" {
		fmt.Fprintf(w, "\nTo read a contact between a free line and ground:\n\n[device.contact]\ndriver   = \"input\"\ngpio     = %q\npull     = \"up\"\nactive   = \"low\"\ndebounce = \"30ms\"\n", free)
	}
	return nil
}

func direction(l gpio.Found) string {
	if l.Output {
		return "output"
	}
	return "input"
}

func lineUser(l gpio.Found) string {
	switch {
	case l.Consumer != "":
		return l.Consumer
	case l.Used:
		return "the kernel"
	}
	return ""
}
