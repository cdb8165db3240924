package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/toml"
)

func newFmt() *cobra.Command {
	var write, check bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE …]",
		Short: "put configuration files into the usual shape; without FILE the standard input",
		Long:  `Aligns equal signs and comments and takes out superfluous empty lines. It changes nothing but spaces.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				text, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return err
				}
				return formatOne("standard input", string(text), func(formatted string) error {
					_, err := io.WriteString(cmd.OutOrStdout(), formatted)
					return err
				})
			}
			different := 0
			for _, path := range args {
				text, err := os.ReadFile(path)
				if err != nil {
					return usageError{err}
				}
				err = formatOne(path, string(text), func(formatted string) error {
					if formatted == string(text) && (write || check) {
						return nil
					}
					different++
					switch {
					case check:
						_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
					case write:
						err = replaceText(path, formatted)
					default:
						_, err = io.WriteString(cmd.OutOrStdout(), formatted)
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			if check && different > 0 {
				return fmt.Errorf("%s not in the usual shape (try: sensorgate fmt -w)", count(different, "file"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the files instead of printing them")
	cmd.Flags().BoolVar(&check, "check", false, "only name the files that would change, and fail if there are any")
	return cmd
}

func formatOne(name, text string, use func(formatted string) error) error {
	formatted, problems := toml.Format(name, text)
	if len(problems) > 0 {
		problems.WriteText(os.Stderr, useColour(os.Stderr))
		return usageError{errReported}
	}
	return use(formatted)
}

// replaceText writes a file beside the old one and puts it in its place: a power cut
// must not leave half a configuration.
func replaceText(path, text string) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}
