package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// settleTries is how often a store is looked at before it counts as never quiet: with a
	// commit a second the second look is enough.
	settleTries = 200
	// coarse is how far apart two writes must be to show in a file's time, with room: the
	// kernel's clock for it ticks every 1 to 10 ms.
	coarse = 30 * time.Millisecond
)

// stamp is by what a file shows that it was written to.
type stamp struct {
	size int64
	at   time.Time
}

// copySettled copies a folder of which files are being written, so that the copy is what
// was on the disk at one moment: what changed since it was copied is copied again, until
// between two looks nothing has.
func copySettled(from, to string) error {
	copied := map[string]stamp{}
	for range settleTries {
		now, err := stampsOf(from)
		if err != nil {
			return err
		}
		began, changed, young := time.Now(), false, false
		for name, s := range now {
			if had, ok := copied[name]; ok && had == s && began.Sub(s.at) > coarse {
				continue
			}
			changed = true
			switch err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); {
			case errors.Is(err, fs.ErrNotExist): // gone since the look
				continue
			case err != nil:
				return err
			}
			if began.Sub(s.at) <= coarse { // a write in the same tick would not show: it is copied again
				s, young = stamp{}, true
			}
			copied[name] = s
		}
		for name := range copied {
			if _, still := now[name]; !still {
				delete(copied, name)
				if err := os.Remove(filepath.Join(to, name)); err != nil {
					return err
				}
			}
		}
		if !changed {
			return nil // all is as at began
		}
		if young {
			time.Sleep(coarse)
		}
	}
	return fmt.Errorf("%s is written without a pause: no moment was found for a copy (try: sudo systemctl stop sensorgate, then once more)", from)
}

// stampsOf lists the files of a store but for locks and sockets, which are of the running
// process, and stores that a restore has set aside.
func stampsOf(dir string) (map[string]stamp, error) {
	stamps := map[string]stamp{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), setAside) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() || d.Name() == "lock" {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		stamps[rel] = stamp{info.Size(), info.ModTime()}
		return nil
	})
	return stamps, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
