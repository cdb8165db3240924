package gateway

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/confd"
	"sensorgate/internal/config"
	"sensorgate/internal/disk"
	"sensorgate/internal/web"
)

// OpenFolder opens the folder in which the gateway of the file at path saves
// configuration. What an earlier run did not finish is undone, unless a gateway runs there
// already: that one's saves are its own. If the file cannot be read there is no folder; to
// report that is for whoever loads it. It is in the store, so its errors are a StoreError.
func OpenFolder(path string, h *Hardware, log *slog.Logger) (*confd.Folder, error) {
	data, ok := config.DataDir(path, h.Catalogue())
	if !ok || data != "" && disk.IsLocked(filepath.Join(data, "lock")) {
		data = ""
	}
	f, err := confd.Open(confd.Options{Data: data, Log: log.With("part", "saves")})
	if err != nil {
		return nil, StoreError{err}
	}
	return f, nil
}

// webConfig is the configuration as an admin sees it over HTTP.
type webConfig struct{ g *Gateway }

// Files returns the files as they are on the disk. Secrets are in files of their own and
// never in these; a value that looks like one is hidden all the same.
func (c webConfig) Files() ([]confd.File, error) {
	return c.g.opt.Folder.Files(c.g.config().Files)
}

// drafts are the texts with the files that they count for. A hidden secret stands for the
// one on the disk, as in a save.
func (c webConfig) drafts(files []web.ConfigFile) ([]config.Draft, error) {
	folder := c.g.opt.Folder
	var out []config.Draft
	for _, f := range files {
		path := f.Name
		if !slices.Contains(c.g.config().Files, path) {
			if err := confd.CheckName(f.Name); err != nil {
				return nil, err
			}
			if !folder.Writable() {
				return nil, confd.ErrReadOnly
			}
			path = folder.Path(f.Name)
		}
		out = append(out, config.Draft{Name: path, Text: folder.Whole(path, f.Text), Gone: f.Gone})
	}
	return out, nil
}

// load reads the configuration with drafts in place of files.
func (c webConfig) load(drafts []config.Draft) (next *config.Config, found config.Problems, err error) {
	if c.g.opt.Load == nil {
		return nil, nil, errNoReload
	}
	err = drivers.Guard(func() error {
		next, found = config.LoadDrafts(c.g.config().Files[0], drafts, c.g.opt.Hardware.Catalogue())
		return nil
	})
	if panicked := (*drivers.PanicError)(nil); errors.As(err, &panicked) {
		c.g.log.Error("panic while a configuration was checked", "err", err, "stack", string(panicked.Stack))
	}
	for i := range found {
		found[i].File = c.g.opt.Folder.Name(found[i].File)
	}
	return next, found, err
}

// Check checks texts in place of the files that they name.
func (c webConfig) Check(files []web.ConfigFile) (config.Problems, error) {
	drafts, err := c.drafts(files)
	if err != nil {
		return nil, err
	}
	_, found, err := c.load(drafts)
	return found, err
}

// Plan reports what a reload would change if the files had these texts.
func (c webConfig) Plan(files []web.ConfigFile) (config.Changes, error) {
	drafts, err := c.drafts(files)
	if err != nil {
		return config.Changes{}, err
	}
	_, changes, err := c.next(drafts)
	return changes, err
}

// next is the configuration with drafts in place of files, and what a reload would change.
// The error is config.Problems if it cannot be used.
func (c webConfig) next(drafts []config.Draft) (*config.Config, config.Changes, error) {
	next, found, err := c.load(drafts)
	switch {
	case err != nil:
		return nil, config.Changes{}, err
	case next == nil:
		return nil, config.Changes{}, found
	}
	return next, config.Diff(c.g.config(), next), nil
}

func (c webConfig) Reload() error { return c.g.Reload() }

func (c webConfig) Save(e confd.Edit) (confd.Saved, error) {
	return c.g.opt.Folder.Save(e, live{c})
}

func (c webConfig) Undo(version int, user string) (confd.Saved, error) {
	return c.g.opt.Folder.Undo(version, user, live{c})
}

func (c webConfig) Confirm(version int, connected time.Time) error {
	return c.g.opt.Folder.Confirm(version, connected)
}

func (c webConfig) Versions() (writable bool, v []confd.Version, waits *confd.Wait, err error) {
	f := c.g.opt.Folder
	v, err = f.Versions()
	return f.Writable(), v, f.Waiting(), err
}

// live is the running gateway as a save changes it.
type live struct{ c webConfig }

// Check implements confd.Live. What changes the broker's or the page's listeners, users or
// limits can cut off whoever saves it.
func (l live) Check(drafts []config.Draft) (changes any, risky bool, err error) {
	_, c, err := l.c.next(drafts)
	if err == nil {
		err = needsRestart(&c)
	}
	return c, len(c.Broker)+len(c.Web) > 0, err
}

func (l live) Reload() error { return l.c.g.Reload() }
