package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"

	"github.com/spf13/cobra"
)

// verdict is how much one finding matters.
type verdict string

const (
	fine    verdict = "ok"
	note    verdict = "note"    // may be meant so
	wrong   verdict = "wrong"   // will hurt; doctor exits with 1
	skipped verdict = "skipped" // could not be looked at, and why
)

// finding is one line of the doctor: what was seen, and the command that mends it.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	What    string  `json:"what"`
	Mend    string  `json:"mend,omitempty"`
}

// patient is the machine that is looked at. Tests lay out a small one in a folder.
type patient struct {
	root string // in front of every path; "/" for the machine itself
	user string // whom the gateway runs as

	// of the configuration
	data   string          // directory of the store
	port   int             // of the local broker
	ports  map[string]bool // serial ports that it uses; nil: not known
	config []finding

	seesAll bool // root sees what other people's processes have open
}

// path is a place in the patient.
func (p patient) path(elem ...string) string {
	return filepath.Join(append([]string{p.root}, elem...)...)
}

// checks is the table of contents of the doctor. None of them changes anything.
var checks = []struct {
	name string
	look func(patient) []finding
}{
	{"config", lookConfig},
	{"user", lookUser},
	{"devices", lookDevices},
	{"i2c", lookI2C},
	{"ports", lookPorts},
	{"broker", lookBrokerPort},
	{"service", lookService},
	{"clock", lookClock},
	{"store", lookStore},
	{"power", lookPower},
	{"watchdog", lookHardwareWatchdog},
}

func newDoctor() *cobra.Command {
	var s settings
	p := patient{root: "/", data: usualData, port: usualPort, seesAll: os.Geteuid() == 0}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look at this machine: rights, ports, clock, store, power; and say what mends it",
		Long: "Looks at the machine that the configuration has to do with, and changes nothing.\n" +
			"As root it sees more: who holds a port, and how fast the store's disk is.",
		Example: "  sudo sensorgate doctor\n  sensorgate doctor --json | jq '.[] | select(.verdict == \"wrong\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.user == "" {
				p.user = serviceUser()
			}
			p.learn(&s)
			return report(cmd.OutOrStdout(), p.examine(), s.json)
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&p.user, "user", "", "whom the gateway runs as (default: sensorgate, or you where it does not exist)")
	return cmd
}

// serviceUser is the package's user; without the package, whoever asks.
func serviceUser() string {
	if _, err := user.Lookup("sensorgate"); err == nil {
		return "sensorgate"
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "root"
}

func (p patient) examine() (all []finding) {
	for _, c := range checks {
		for _, f := range c.look(p) {
			f.Check = c.name
			all = append(all, f)
		}
	}
	return all
}

// report prints and fails when something is wrong.
func report(w io.Writer, found []finding, asJSON bool) error {
	count := map[verdict]int{}
	for _, f := range found {
		count[f.Verdict]++
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintf(w, "%-8s %-9s %s\n", f.Verdict, f.Check, f.What)
			if f.Mend != "" {
				fmt.Fprintf(w, "%18s mend: %s\n", "", f.Mend)
			}
		}
		fmt.Fprintf(w, "\n%d wrong, %d to note, %d not looked at, %d well\n", count[wrong], count[note], count[skipped], count[fine])
	}
	if count[wrong] > 0 {
		return errTold
	}
	return nil
}

// one makes the list of a check that has a single answer.
func one(v verdict, what, mend string) []finding {
	return []finding{{Verdict: v, What: what, Mend: mend}}
}
