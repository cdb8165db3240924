package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan writes the manual pages that the package installs. They are made from the
// commands themselves, so they always agree with --help.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "write the manual pages",
		Args:   cobra.ExactArgs(1),
		Hidden: true, // for the package build
		RunE: func(cmd *cobra.Command, args []string) error {
			page := filepath.Join(args[0], "sensorgate.toml.5")
			if err := os.WriteFile(page, []byte(manConfiguration()), 0o644); err != nil {
				return err
			}
			return writeManPages(cmd.Root(), args[0])
		},
	}
}

// writeManPages writes one page per visible command: sensorgate-scan-i2c.1.
func writeManPages(cmd *cobra.Command, dir string) error {
	cmd.InitDefaultHelpFlag()
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := writeManPages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// manPage is one page in the language of man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"sensorgate\" \"User Commands\"\n", strings.ToUpper(roff(name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	synopsis := cmd.UseLine()
	if cmd.HasAvailableSubCommands() && !cmd.Runnable() {
		synopsis = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(synopsis))
	long := cmd.Long
	if long == "" {
		long = cmd.Short
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roffText(long))
	manCommands(&b, cmd)
	manFlags(&b, cmd)
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffText(cmd.Example))
	}
	b.WriteString(".SH EXIT STATUS\n0 for success or when asked to stop, 1 for trouble at run time, 2 for a broken configuration or wrong usage.\n")
	switch cmd.Name() {
	case "sub", "rr":
		b.WriteString("27 when the time of \\-W is over, as the mosquitto tools; rr \\-\\-result ends with 3 when a command was not done.\n")
	}
	manFiles(&b, cmd)
	b.WriteString(".SH SEE ALSO\n")
	if cmd.HasParent() {
		fmt.Fprintf(&b, ".BR %s (1),\n", roff(strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-")))
	}
	b.WriteString(".BR sensorgate.toml (5)\n.PP\nThe pages in /usr/share/doc/sensorgate; first\\-hour.md to begin with.\n")
	return withFallbacks(b.String())
}

// fallbacks are what a terminal without UTF-8, as that of a fresh system whose locale is C,
// shows for characters that it lacks; groff has those of dashes, arrows and signs itself.
var fallbacks = []struct {
	char rune
	text string
}{{'…', "..."}, {'°', "deg"}, {'µ', "u"}, {'Ω', "Ohm"}, {'²', "2"}, {'³', "3"}, {'∞', "infinity"}, {'·', "."}, {'ä', "ae"}, {'ö', "oe"}, {'ü', "ue"}, {'ß', "ss"}}

// withFallbacks declares the fallbacks of a page behind its title: without, groff warns and
// prints nothing in their place.
func withFallbacks(page string) string {
	title, text, _ := strings.Cut(page, "\n")
	var b strings.Builder
	for _, f := range fallbacks {
		if name := roff(string(f.char)); strings.Contains(page, name) {
			fmt.Fprintf(&b, ".fchar %s %s\n", name, f.text)
		}
	}
	return title + "\n" + b.String() + text
}

// manFiles lists the files that a command has to do with.
func manFiles(b *strings.Builder, cmd *cobra.Command) {
	if cmd.HasParent() && cmd.Flags().Lookup("config") == nil {
		return
	}
	b.WriteString(".SH FILES\n.TP\n.I /etc/sensorgate/sensorgate.toml\nwhat to read and where to send it; see sensorgate.toml(5)\n" +
		".TP\n.I /etc/sensorgate/conf.d/*.toml\nthe same, for devices with files of their own\n")
	if cmd.HasParent() {
		return
	}
	b.WriteString(".TP\n.I /var/lib/sensorgate\nthe store: what waits, what must survive a power cut, what was measured\n" +
		".TP\n.I /var/lib/sensorgate/conf.d/*.toml\nconfiguration that was saved on the page or over HTTP\n" +
		".TP\n.I /run/sensorgate/control.sock\nwhere status, plan and reload ask the running gateway\n")
}

func manCommands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			page := strings.ReplaceAll(sub.CommandPath(), " ", "-")
			fmt.Fprintf(b, ".TP\n.BR %s (1)\n%s\n", roff(page), roff(sub.Short))
		}
	}
}

func manFlags(b *strings.Builder, cmd *cobra.Command) {
	b.WriteString(".SH OPTIONS\n")
	show := func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n.B ")
		if f.Shorthand != "" {
			b.WriteString(roff("-"+f.Shorthand) + ", ")
		}
		fmt.Fprintf(b, "%s\n%s", strings.TrimSpace(roff("--"+f.Name)+" "+roff(kind)), roff(usage))
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && !(d == "0" && f.Value.Type() == "int") {
			fmt.Fprintf(b, " (default %s)", roff(f.DefValue))
		}
		b.WriteString("\n")
	}
	cmd.NonInheritedFlags().VisitAll(show)
	cmd.InheritedFlags().VisitAll(show)
}

// roff makes text harmless inside a line: a backslash begins an escape, a bare hyphen
// may become a typographic one that nobody can paste into a shell, and groff reads
// bytes above ASCII as Latin-1.
func roff(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// roffText is roff for text with lines: a dot or an apostrophe in front of one
// would be a request.
func roffText(s string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	for i, l := range lines {
		l = roff(l)
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			l = `\&` + l
		}
		if strings.TrimSpace(l) == "" {
			l = ".PP"
		}
		lines[i] = l
	}
	return strings.Join(lines, "\n")
}
