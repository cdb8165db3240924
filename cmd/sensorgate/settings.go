package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/status"
	"sensorgate/internal/terminal"
)

// discard takes the log of hardware that a command only looks at.
var discard = slog.New(slog.DiscardHandler)

// settings are the flags of the commands that read a configuration.
type settings struct {
	path string
	json bool

	rootOnly bool // the command is not for the group of the gateway, which may only look

	hardware *gateway.Hardware // that the configuration was checked against
	cfg      *config.Config    // what was read last without a fault
}

func (s *settings) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().BoolVar(&s.json, "json", false, "print JSON for programs")
}

// load reads the configuration; a broken one is explained on w, and warnings too.
func (s *settings) load(w *os.File) (*config.Config, error) {
	if err := s.denied(s.rootOnly); err != nil {
		return nil, err
	}
	c, problems := s.read()
	if len(problems) > 0 && !(s.json && c != nil) {
		if err := s.explain(w, problems); err != nil {
			return nil, err
		}
	}
	if c == nil {
		return nil, usageError{errReported}
	}
	return c, nil
}

// denied returns what to type if this user may not read the configuration; what changes
// something is not for the members of the gateway's group either.
func (s *settings) denied(changes bool) error {
	f, err := os.Open(s.path)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrPermission) {
		return nil // read reports it
	}
	group := "; or, to look without sudo: sudo adduser $USER sensorgate, and log in again"
	if changes {
		group = ""
	}
	return usageError{fmt.Errorf("%s: this user may not read it (try: %s%s)", s.path, terminal.Sudo("sensorgate", os.Args[1:]), group)}
}

// findSocket is where the gateway of the configuration listens. A broken file may name its
// store all the same, and the gateway that runs has read it before it was broken.
func (s *settings) findSocket() string {
	c := s.cfg
	if c == nil {
		c, _ = s.read()
	}
	if c == nil {
		c = &config.Config{Data: defaultData, Files: []string{s.path}}
		text, err := os.ReadFile(s.path)
		if err != nil {
			return gateway.FindSocket(nil) // nobody knows whether it names a store
		}
		if m := dataLine.FindSubmatch(text); m != nil {
			c.Data = string(m[1])
		}
	}
	return s.meant(gateway.FindSocket(c), gateway.SocketPath(c))
}

// meant is the socket of the service if it runs on this file, else own, which is this file's: whoever
// names a file does not mean another gateway that happens to run.
func (s *settings) meant(service, own string) string {
	if service == own || own == "" || s.path == defaultConfig {
		return service
	}
	snap, err := status.Fetch(context.Background(), service)
	if err == nil && (len(snap.Files) == 0 || sameFile(snap.Files[0], s.path)) {
		return service
	}
	return own
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return a == b || errX == nil && errY == nil && os.SameFile(x, y)
}

// defaultData is the store where the file names none.
const defaultData = "/var/lib/sensorgate"

// dataLine is data = "…" at the top of a file, before any table.
var dataLine = regexp.MustCompile(`\A(?:[^\[\n][^\n]*\n|\n)*?[ \t]*data[ \t]*=[ \t]*["']([^"'\n]*)["']`)

// nodeLine is node = "…" there.
var nodeLine = regexp.MustCompile(`\A(?:[^\[\n][^\n]*\n|\n)*?[ \t]*node[ \t]*=`)

func (s *settings) read() (c *config.Config, problems config.Problems) {
	s.hardware = gateway.NewHardware(discard)
	s.cfg, problems = config.Load(s.path, s.hardware.Catalogue())
	return s.cfg, seen(s.cfg, problems)
}

// seen asks the gateway about a folder of files that count and that this user may not look into, as
// the members of its group, who may look at all else: where it has none, nothing is missing.
func seen(c *config.Config, problems config.Problems) config.Problems {
	var kept config.Problems
	for _, p := range problems {
		dir, unseen := config.Unseen(&p)
		if !unseen {
			kept = append(kept, p)
			continue
		}
		what := "this user may not look into it: what is there"
		if snap, err := status.Fetch(context.Background(), gateway.FindSocket(c)); err == nil && len(snap.Files) > 0 {
			there := slices.DeleteFunc(snap.Files, func(f string) bool { return filepath.Dir(f) != dir })
			if len(there) == 0 {
				continue
			}
			for i := range there {
				there[i] = filepath.Base(there[i])
			}
			what = "this user may not read " + strings.Join(there, ", ") + ": what the page saved there"
		}
		p.Text = what + " is left out (try: " + terminal.Sudo("sensorgate", os.Args[1:]) + ")"
		kept = append(kept, p)
	}
	return kept
}

// mayWrite returns why this user may not make files in a folder, or make the folder: before
// anything is asked.
func mayWrite(dir string) error {
	err := unix.Access(dir, unix.W_OK)
	for errors.Is(err, unix.ENOENT) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = unix.Access(dir, unix.W_OK)
	}
	if err != nil {
		return &fs.PathError{Op: "write into", Path: dir, Err: err}
	}
	return nil
}

// catalogue is what a configuration may choose from here.
func (s *settings) catalogue() config.Catalogue {
	if s.hardware == nil {
		s.hardware = gateway.NewHardware(discard)
	}
	return s.hardware.Catalogue()
}

func (s *settings) explain(w *os.File, problems config.Problems) error {
	if s.json {
		return writeJSON(w, checkResult{Problems: problems})
	}
	problems.WriteText(w, useColour(w))
	return nil
}

// useColour: only for people at a terminal who did not ask for none (no-color.org).
func useColour(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}
