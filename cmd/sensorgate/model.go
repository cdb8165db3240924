package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
)

func newModel() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "list and show the templates of devices, for model = \"…\"",
	}
	cmd.AddCommand(newModelList(), newModelShow(), newModelRecords())
	return cmd
}

func newModelList() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "list [WORD]...",
		Short: "list all models, or those that have to do with every WORD: a maker, a kind, a quantity, a driver",
		RunE: func(cmd *cobra.Command, args []string) error {
			models := []config.Model{}
			for _, m := range s.models() {
				if !slices.ContainsFunc(args, func(word string) bool { return !m.Mentions(word) }) {
					models = append(models, m)
				}
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), models)
			}
			if len(models) == 0 {
				return fmt.Errorf("no model with %s in its name, title, driver or channels (see: sensorgate model list; docs/not-listed.md has four steps for a device that nobody has described)", strings.Join(args, " and "))
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(tw, "MODEL\tDRIVER\tTITLE\tTESTED\tCONFIRMED")
			for _, m := range models {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Driver, m.Title, m.Tested, confirmed(&m))
			}
			return tw.Flush()
		},
	}
	s.flags(cmd)
	return cmd
}

// confirmed returns of how many channels two sources or the maker's document are known.
func confirmed(m *config.Model) string {
	if len(m.Sources) == 0 {
		return "-"
	}
	n := 0
	for _, c := range m.Channels {
		if how := m.Confirmation(c); how == "two" || how == "maker" {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, len(m.Channels))
}

// provenance returns in one line how well a model is known.
func provenance(m *config.Model) string {
	text := "tried on real hardware: " + m.Tested
	if len(m.Channels) > 0 {
		text = confirmed(m) + " channels are confirmed by two sources or the maker; " + text
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"one source", m.OneSource}, {"unconfirmed", m.Unconfirmed}, {"set-points (with write = true)", m.SetPoints}} {
		if len(list.names) > 0 {
			text += "; " + list.what + ": " + strings.Join(list.names, ", ")
		}
	}
	return text
}

func newModelShow() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "show MODEL",
		Short: "print a model; save it in models/ beside the configuration to change it",
		Args:  cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return config.ModelNames(gateway.NewHardware(discard).Catalogue(), filepath.Dir(s.path)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			m, is := s.model(args[0])
			if !is {
				return usageError{fmt.Errorf("no model is called %q (see: sensorgate model list)", args[0])}
			}
			if s.json {
				return writeJSON(cmd.OutOrStdout(), m)
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), m.Text)
			if err == nil && len(m.Sources) > 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n# %s\n", provenance(&m))
			}
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

// models reads all templates, of which there are hundreds.
func (s *settings) models() []config.Model {
	return config.Models(s.catalogue(), filepath.Dir(s.path))
}

// model reads one template; is is false if there is none of that name.
func (s *settings) model(name string) (m config.Model, is bool) {
	return config.ReadModel(s.catalogue(), filepath.Dir(s.path), name)
}
