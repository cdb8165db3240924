// Package doctor looks at the machine that a gateway runs on and reports what will
// hurt it: permissions, ports that others hold, clock, store, power, watchdogs. It
// changes nothing and starts nothing; every check reads files below Machine.Root, so
// that tests lay out a small machine in a folder. It must work where the gateway does
// not: with a broken configuration, without systemd, in an image, without root.
//
// Not done here: flags and exit codes (cmd/sensorgate), hardware that is opened
// (sensorgate check --hardware).
package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"path/filepath"

	"sensorgate/internal/terminal"
)

// Verdict says how much one finding matters.
type Verdict string

// The verdicts, as they stand in JSON.
const (
	OK      Verdict = "ok"
	Warning Verdict = "note"    // may be intended
	Wrong   Verdict = "wrong"   // will hurt; the command exits with 1
	Skipped Verdict = "skipped" // could not be looked at, and why
)

// String is the word for people; JSON keeps "note", which scripts compare with.
func (v Verdict) String() string {
	if v == Warning {
		return "warning"
	}
	return string(v)
}

// Finding is one line of the report: what was seen, and what to type to fix it.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	What    string  `json:"what"`
	Try     string  `json:"mend,omitempty"` // the name is older than the word
}

// Machine is what is looked at.
type Machine struct {
	Root    string // in front of every path; "/" for the machine itself
	User    string // whom the gateway runs as
	SeesAll bool   // root sees what other people's processes have open

	// Listening are the listeners that the gateway itself reports open; nil: none, or it was not asked.
	Listening []string

	// What Learn takes from the configuration.
	data   string            // directory of the store; "" keeps it in memory
	port   int               // of the local broker
	ports  map[string]bool   // serial ports that it uses; nil: not known
	buses  map[string]string // I2C buses that it uses, and the device that frees each; "" for none
	config []Finding
}

// This is the machine that we run on, with the gateway's usual store and port until
// Learn knows better. seesAll is whether we are root.
func This(seesAll bool) Machine {
	return Machine{Root: "/", SeesAll: seesAll, data: usualData, port: usualPort}
}

// path is a place in the machine.
func (m Machine) path(elem ...string) string {
	return filepath.Join(append([]string{m.Root}, elem...)...)
}

// checks is the table of contents of the doctor. None of them changes anything.
var checks = []struct {
	name string
	look func(Machine) []Finding
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

// ServiceUser is the package's user; without the package, whoever asks.
func ServiceUser() string {
	if _, err := user.Lookup("sensorgate"); err == nil {
		return "sensorgate"
	}
	return Self()
}

// Self is the user of this process.
func Self() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "root"
}

// Examine runs every check, in the order of the table. It takes up to some seconds: the
// speed of the store is measured.
func (m Machine) Examine() (all []Finding) {
	for _, c := range checks {
		for _, f := range c.look(m) {
			f.Check = c.name
			all = append(all, f)
		}
	}
	return all
}

// ErrWrong is what Report returns when a finding is wrong; the report says which.
var ErrWrong = errors.New("something is wrong with this machine")

// Report writes the findings, for people or as JSON. It returns ErrWrong when one is
// wrong, or what writing returned.
func Report(w io.Writer, found []Finding, asJSON bool) error {
	write := writeText
	if asJSON {
		write = writeJSON
	}
	if err := write(w, found); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	for _, f := range found {
		if f.Verdict == Wrong {
			return ErrWrong
		}
	}
	return nil
}

func writeJSON(w io.Writer, found []Finding) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(found)
}

func writeText(w io.Writer, found []Finding) error {
	count := map[Verdict]int{}
	for _, f := range found {
		count[f.Verdict]++
		if _, err := fmt.Fprintf(w, "%-8s %-9s %s\n", f.Verdict, f.Check, terminal.Escape(f.What)); err != nil {
			return err
		}
		if f.Try == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%18s try: %s\n", "", terminal.Escape(f.Try)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d wrong, %d warnings, %d not looked at, %d ok\n", count[Wrong], count[Warning], count[Skipped], count[OK])
	return err
}

// one makes the list of a check that has a single answer.
func one(v Verdict, what, try string) []Finding {
	return []Finding{{Verdict: v, What: what, Try: try}}
}
