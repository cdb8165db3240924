package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/internal/disk"
	"sensorgate/internal/web"
)

// newPasswdToken is the file of tokens for scripts that use the HTTP API.
func newPasswdToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "add, delete and list the tokens of scripts for the HTTP API",
		Long: `A token is a secret that a script sends as "Authorization: Bearer …". The file has its
hash, so the secret is shown once. What is taken out of the file is refused at once.
[web] names the file: tokens = "/etc/sensorgate/tokens".`,
	}
	cmd.AddCommand(newTokenAdd(), newTokenDelete(), newTokenList())
	return cmd
}

func newTokenAdd() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:     "add FILE NAME",
		Short:   "make a token and print its secret; the file is made if it is not there",
		Example: "  sudo sensorgate passwd token add /etc/sensorgate/tokens grafana --role view",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := web.ParseRole(role)
			if err != nil {
				return usageError{err}
			}
			t, secret, err := web.NewToken(args[1], r)
			if err != nil {
				return usageError{err}
			}
			all, err := web.ReadTokens(args[0])
			if err != nil {
				return err
			}
			if slices.ContainsFunc(all, func(o web.Token) bool { return o.Name == t.Name }) {
				return fmt.Errorf("%s has a token %s already (try: sensorgate passwd token delete %s %s)", args[0], t.Name, args[0], t.Name)
			}
			if err := writeTokens(args[0], append(all, t)); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", secret)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "view", "what the script may do: view, operate or admin")
	return cmd
}

func newTokenDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete FILE NAME",
		Short: "take a token out of the file",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := web.ReadTokens(args[0])
			if err != nil {
				return err
			}
			left := slices.DeleteFunc(slices.Clone(all), func(t web.Token) bool { return t.Name == args[1] })
			if len(left) == len(all) {
				return fmt.Errorf("%s has no token %s (try: sensorgate passwd token list %s)", args[0], args[1], args[0])
			}
			return writeTokens(args[0], left)
		},
	}
}

func newTokenList() *cobra.Command {
	return &cobra.Command{
		Use:   "list FILE",
		Short: "list the names and roles",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := web.ReadTokens(args[0])
			if err != nil {
				return err
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(tw, "NAME\tROLE")
			for _, t := range all {
				fmt.Fprintf(tw, "%s\t%s\n", t.Name, t.Role)
			}
			return tw.Flush()
		},
	}
}

// writeTokens replaces the file as a whole; the owner and the mode of one that is there
// stay, so that the gateway can still read it.
func writeTokens(path string, all []web.Token) error {
	var b strings.Builder
	b.WriteString("# tokens of scripts for the HTTP API: name:role:hash (sensorgate passwd token)\n")
	for _, t := range all {
		b.WriteString(t.String() + "\n")
	}
	_, err := os.Stat(path)
	if err := disk.Replace(path, []byte(b.String())); err != nil {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return letServiceRead(path)
	}
	return nil
}
