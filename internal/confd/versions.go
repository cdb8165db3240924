package confd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Version is what a file had before a save.
type Version struct {
	ID   int       `json:"id"`
	File string    `json:"file"`
	Time time.Time `json:"time"`           // of the save that replaced it
	User string    `json:"user,omitempty"` // who saved
	Gone bool      `json:"gone"`           // there was no such file
	Text string    `json:"text"`           // without secrets
}

// record is a Version as it is stored.
type record struct {
	Version
	Kept bool `json:"kept"` // the save that replaced it has answered
}

const recordSuffix = ".json"

func (f *Folder) recordPath(id int) string {
	return filepath.Join(f.versions, fmt.Sprintf("%08d%s", id, recordSuffix))
}

func (f *Folder) writeRecord(r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(f.fs, f.recordPath(r.ID), b)
}

// records reads the records, the oldest first. What cannot be read is not a record: it
// costs a version, and not the start of the gateway. Called with saving, or before anybody
// can save.
func (f *Folder) records() ([]record, error) {
	if f.versions == "" {
		return nil, nil
	}
	names, err := f.fs.ReadDir(f.versions)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var all []record
	for _, name := range names {
		id, err := strconv.Atoi(strings.TrimSuffix(name, recordSuffix))
		if err != nil || filepath.Base(f.recordPath(id)) != name {
			continue
		}
		f.last = max(f.last, id) // also of one that is damaged: its number is taken
		r, err := f.record(id)
		if err != nil {
			f.log.Warn("a version of the configuration cannot be read", "file", f.recordPath(id), "err", err)
			continue
		}
		all = append(all, r)
	}
	sort.Slice(all, func(i, k int) bool { return all[i].ID < all[k].ID })
	return all, nil
}

func (f *Folder) record(id int) (r record, err error) {
	b, err := readFile(f.fs, f.recordPath(id))
	if err != nil {
		return r, err
	}
	if r, err = parseRecord(b); err == nil && r.ID != id {
		err = fmt.Errorf("it says that it is version %d", r.ID)
	}
	return r, err
}

func parseRecord(b []byte) (r record, err error) {
	if err := json.Unmarshal(b, &r); err != nil {
		return r, err
	}
	return r, CheckName(r.File)
}

// recover undoes the saves that did not answer, the newest first.
func (f *Folder) recover() error {
	all, err := f.records()
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(all) {
		if r.Kept {
			continue
		}
		if err := f.putBack(&r); err != nil {
			return err
		}
		f.log.Warn("a save of the configuration was not confirmed, or not finished; the file is as it was before", "file", r.File, "user", r.User, "saved", r.Time)
	}
	return nil
}

// putBack gives a file what it had before a save and forgets the save, in this order.
func (f *Folder) putBack(r *record) (err error) {
	if r.Gone {
		err = removeFile(f.fs, f.Path(r.File))
	} else {
		err = writeFile(f.fs, f.Path(r.File), []byte(r.Text))
	}
	if err != nil {
		return err
	}
	return removeFile(f.fs, f.recordPath(r.ID))
}

// Versions returns what files had before the last saves, the newest first, without
// secrets.
func (f *Folder) Versions() ([]Version, error) {
	f.saving.Lock()
	defer f.saving.Unlock()
	all, err := f.records()
	out := make([]Version, 0, len(all))
	for _, r := range slices.Backward(all) {
		r.Text = Hide(r.Text)
		out = append(out, r.Version)
	}
	return out, err
}

// prune leaves the newest versions.
func (f *Folder) prune() {
	all, err := f.records()
	for i := 0; err == nil && i < len(all)-maxVersions; i++ {
		err = f.fs.Remove(f.recordPath(all[i].ID))
	}
	if err != nil {
		f.log.Warn("old versions of the configuration are not removed", "folder", f.versions, "err", err)
	}
}
