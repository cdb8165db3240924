package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"sensorgate/drivers/serial"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/scan"
	"sensorgate/internal/terminal"
)

// askUnits is the answer that has the Modbus units on a port asked.
const askUnits = "?"

// find looks for a device whose model was not named: at the place that was, or everywhere.
// model is "" if the device has said itself what it is.
func (a *addFlags) find(ctx context.Context, q *interview, progress io.Writer, c *config.Config) (found scan.Found, model string, err error) {
	o := scan.Options{Kinds: []string{"modbus"}, Used: a.hardware.Users(c), Candidates: a.candidates, Timeout: a.timeout}
	switch {
	case a.tcp != "":
		o.Port = "tcp://" + a.tcp
	case a.port != "":
		o.Port = a.port
	case a.connection != (connection{}):
		return found, "", usageError{errors.New("which model? (see: sensorgate model list WORD)")}
	default:
		if found, err = choose(ctx, q, progress, a.hardware, c); err != nil || found.Needs == "" {
			return found, "", err
		}
		if model = a.whichModel(q, found); model != askUnits {
			return found, model, nil
		}
		o.Port = found.Where
	}
	found, err = a.units(ctx, q, progress, o)
	var usage usageError
	if err != nil && a.port != "" && !q.yes && ctx.Err() == nil && !errors.As(err, &usage) {
		fmt.Fprintf(q.out, "%s\n", terminal.Escape(err.Error())) // what is there may speak by itself, as a P1 meter
		if model = a.whichModel(q, scan.Found{Kind: "port"}); q.ended {
			return found, "", err
		}
		return scan.Found{Name: "device"}, model, nil
	}
	if err != nil || found.Needs == "" {
		return found, "", err
	}
	if q.yes {
		return found, "", fmt.Errorf("%s answers, but not what it is (try: sensorgate add MODEL --unit N with the same place; see: sensorgate model list WORD)", found.Where)
	}
	return found, a.whichModel(q, found), nil
}

// units asks the Modbus units at a place who they are, and lets somebody pick one, and one
// of the models that it can be read with.
func (a *addFlags) units(ctx context.Context, q *interview, progress io.Writer, o scan.Options) (found scan.Found, err error) {
	if a.unit != 0 {
		if o.Units, err = scan.ParseUnits(strconv.Itoa(a.unit)); err != nil {
			return found, usageError{fmt.Errorf("--unit: %w", err)}
		}
	}
	if a.line != "" {
		if o.Lines, err = scan.ParseLines(a.line); err != nil {
			return found, usageError{fmt.Errorf("--line: %w", err)}
		}
	}
	if _, err := serial.ParsePort(o.Port, serial.Line{}); err != nil && a.tcp == "" {
		return found, usageError{err}
	}
	var all []scan.Found
	var failed error
	sink, done := collect(progress, &all)
	sink.Failed = func(_ string, err error) { failed = err }
	err = scan.Run(ctx, o, sink)
	done()
	if err = errors.Join(err, failed); err != nil || len(all) == 0 {
		return found, err
	}
	if found, err = pick(q, all); err != nil || len(found.Models) < 2 {
		return found, err
	}
	for {
		answer := q.ask("It can be read as "+strings.Join(found.Models, ", ")+". Which", found.Models[0])
		if slices.Contains(found.Models, answer) {
			found.ReadAs(answer)
			return found, nil
		}
		if q.ended {
			return found, errors.New("nothing was written")
		}
	}
}

// choose lets somebody pick one of what a scan found.
func choose(ctx context.Context, q *interview, progress io.Writer, h *gateway.Hardware, c *config.Config) (scan.Found, error) {
	var all []scan.Found
	sink, done := collect(progress, &all)
	err := scan.Run(ctx, scan.Options{Kinds: []string{"serial", "i2c", "spi", "w1"}, Used: h.Users(c)}, sink)
	done()
	if err != nil {
		return scan.Found{}, err
	}
	all = slices.DeleteFunc(all, func(f scan.Found) bool {
		if f.Used != "" {
			fmt.Fprintf(q.out, "     %s %s: %s, used by %s\n", f.Kind, f.Where, terminal.Escape(f.Title), terminal.Escape(f.Used))
		}
		return f.Used != ""
	})
	if len(all) == 0 {
		return scan.Found{}, errors.New("nothing was found that is free (try: sensorgate doctor; or name a model: sensorgate add MODEL --tcp HOST:PORT)")
	}
	return pick(q, all)
}

// pick lets somebody choose one of a list.
func pick(q *interview, all []scan.Found) (scan.Found, error) {
	for i, f := range all {
		fmt.Fprintf(q.out, "%3d  %s %s: %s  %s\n", i+1, f.Kind, f.Where, terminal.Escape(f.Title), terminal.Escape(f.Note))
	}
	for {
		answer := q.ask("Which one", "1")
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(all) {
			return all[n-1], nil
		}
		if q.ended {
			return scan.Found{}, usageError{fmt.Errorf("expected a number from 1 to %d", len(all))}
		}
		fmt.Fprintf(q.out, "%q is no number from 1 to %d.\n", answer, len(all))
	}
}

// whichModel asks what a found thing is, where it cannot be asked itself.
func (a *addFlags) whichModel(q *interview, f scan.Found) string {
	usual, question := "nmea", "What is connected (a model or driver; a word lists those that have it)"
	switch f.Kind {
	case "modbus":
		usual = "modbus"
	case "serial":
		question = "What is connected (a model or driver; a word lists those that have it; ? asks for Modbus units)"
	}
	for {
		answer := q.ask(question, usual)
		if answer == askUnits && f.Kind == "serial" {
			return answer
		}
		if _, is := a.model(answer); is || slices.Contains(a.driverNames(), answer) || q.yes {
			return answer
		}
		var names []string
		for _, m := range a.models() {
			if m.Mentions(answer) {
				names = append(names, fmt.Sprintf("  %-28s %s", m.Name, m.Title))
			}
		}
		fmt.Fprintln(q.out, strings.Join(names, "\n"))
		if len(names) == 0 {
			fmt.Fprintf(q.out, "  nothing mentions %q; how to describe it: docs/not-listed.md\n", answer)
		}
		if q.ended {
			return answer
		}
	}
}
