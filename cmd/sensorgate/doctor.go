package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/doctor"
	"sensorgate/internal/status"
	"sensorgate/internal/web"
)

func newDoctor() *cobra.Command {
	var s settings
	m := doctor.This(os.Geteuid() == 0)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look at this machine: permissions, ports, clock, store, power; and what to try",
		Long: "Looks at the machine that the configuration is for, and changes nothing.\n" +
			"As root it sees more: who holds a port, and how fast the store's disk is.",
		Example: "  sudo sensorgate doctor\n  sensorgate doctor --json | jq '.[] | select(.verdict == \"wrong\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if m.User == "" {
				m.User = doctor.ServiceUser()
			}
			m.Learn(s.path, s.read)
			snap, _ := status.Fetch(cmd.Context(), s.findSocket()) // one that does not answer has nothing to add
			m.Listening = snap.Listeners
			found := append(m.Examine(), doctor.LeftOver(snap.LeftOver)...)
			err := doctor.Report(cmd.OutOrStdout(), found, s.json)
			if errors.Is(err, doctor.ErrWrong) {
				return errReported
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&m.User, "user", "", "whom the gateway runs as (default: sensorgate, or you where it does not exist)")
	return cmd
}

// examine is the doctor as the HTTP API asks for it.
func examine(c *config.Config) []web.Finding {
	m := doctor.This(os.Geteuid() == 0)
	m.User = doctor.Self()
	if len(c.Files) > 0 {
		m.Learn(c.Files[0], func() (*config.Config, config.Problems) { return c, nil })
	}
	out := []web.Finding{}
	for _, f := range m.Examine() {
		out = append(out, web.Finding{Check: f.Check, Verdict: string(f.Verdict), What: f.What, Try: f.Try})
	}
	return out
}
