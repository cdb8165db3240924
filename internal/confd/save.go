package confd

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"sensorgate/internal/config"
)

// Edit is a save that somebody asks for.
type Edit struct {
	File   string // of the folder
	Text   string // a hidden secret stands for the one that the file has there
	Remove bool   // the file goes
	User   string // for the versions and the log
	ETag   string // of the text that the edit was made from; "": there was no such file
}

// Saved is what a save did.
type Saved struct {
	Version int    `json:"version"` // with which it can be undone; 0: nothing was different
	ETag    string `json:"etag"`    // of the file now; empty if it is gone
	Changes any    `json:"changes"` // as the plan showed them

	// Confirm is the time until when the save must be confirmed; without that it is
	// undone. Not set: it is kept.
	Confirm *time.Time `json:"confirm_until,omitempty"`
}

// Save checks an edit, writes it and reloads. If it returns an error nothing changed: one
// of this package, config.Problems, or of the disk.
func (f *Folder) Save(e Edit, live Live) (Saved, error) {
	f.saving.Lock()
	defer f.saving.Unlock()
	was, err := f.fits(&e)
	if err != nil {
		return Saved{}, err
	}
	return f.replace(e, was, live)
}

// Undo saves again what a version has; id 0 is the newest. That is a save like any other:
// undone twice, everything is as before.
func (f *Folder) Undo(id int, user string, live Live) (Saved, error) {
	f.saving.Lock()
	defer f.saving.Unlock()
	all, err := f.records()
	if err != nil {
		return Saved{}, err
	}
	i := len(all) - 1
	if id != 0 {
		i = slices.IndexFunc(all, func(r record) bool { return r.ID == id })
	}
	if i < 0 {
		return Saved{}, ErrNoVersion
	}
	if f.Waiting() != nil {
		return Saved{}, ErrWaits
	}
	was, err := f.current(all[i].File)
	if err != nil {
		return Saved{}, err
	}
	return f.replace(Edit{File: all[i].File, Text: all[i].Text, Remove: all[i].Gone, User: user}, was, live)
}

// state is what a file has; nil text: there is none.
type state struct{ text *string }

func (s state) etag() string {
	if s.text == nil {
		return ""
	}
	return ETag(Hide(*s.text))
}

func (f *Folder) current(name string) (state, error) {
	text, err := f.read(f.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	return state{&text}, err
}

// fits reports whether an edit may be made at all, and puts hidden secrets back.
func (f *Folder) fits(e *Edit) (was state, err error) {
	switch err := CheckName(e.File); {
	case !f.Writable():
		return was, ErrReadOnly
	case err != nil:
		return was, err
	case len(e.Text) > maxText:
		return was, fmt.Errorf("%w: a file has %d KiB at most", ErrTooLarge, maxText>>10)
	case f.Waiting() != nil:
		return was, ErrWaits
	}
	if was, err = f.current(e.File); err != nil {
		return was, err
	}
	if was.etag() != e.ETag {
		return was, ErrChanged
	}
	if was.text == nil && len(f.names()) >= maxFiles {
		return was, fmt.Errorf("%w: %d files at most", ErrTooLarge, maxFiles)
	}
	if was.text != nil {
		e.Text, err = Unhide(e.Text, *was.text)
	} else {
		e.Text, err = Unhide(e.Text, "")
	}
	return was, err
}

// replace does the work of a save. Called with saving.
func (f *Folder) replace(e Edit, was state, live Live) (Saved, error) {
	same := e.Remove && was.text == nil || !e.Remove && was.text != nil && *was.text == e.Text
	changes, risky, err := live.Check([]config.Draft{{Name: f.Path(e.File), Text: e.Text, Gone: e.Remove}})
	if err != nil || same {
		return Saved{ETag: was.etag(), Changes: changes}, err
	}
	now := time.Now()
	r := &record{Version: Version{ID: f.last + 1, File: e.File, Time: now.UTC().Truncate(time.Millisecond), User: e.User, Gone: was.text == nil}}
	if was.text != nil {
		r.Text = *was.text
	}
	if err := f.writeRecord(r); err != nil {
		return Saved{}, fmt.Errorf("nothing was saved: %w", err)
	}
	f.last = r.ID
	if err := f.change(e, r, live); err != nil {
		return Saved{}, err
	}
	out := Saved{Version: r.ID, Changes: changes}
	if !e.Remove {
		out.ETag = ETag(Hide(e.Text))
	}
	f.log.Info("configuration saved", "file", e.File, "user", e.User, "version", r.ID)
	if risky {
		until := f.wait(r, live)
		out.Confirm = &until
		return out, nil
	}
	r.Kept = true
	if err := f.writeRecord(r); err != nil {
		return Saved{}, f.undo(r, live, fmt.Errorf("nothing was saved: %w", err))
	}
	f.prune()
	return out, nil
}

// change writes the file and reloads. An error has been undone.
func (f *Folder) change(e Edit, r *record, live Live) (err error) {
	if e.Remove {
		err = removeFile(f.fs, f.Path(e.File))
	} else {
		err = writeFile(f.fs, f.Path(e.File), []byte(e.Text))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("nothing was saved: %w", err), f.putBack(r))
	}
	if err := live.Reload(); err != nil {
		return f.undo(r, live, fmt.Errorf("%w: %w", ErrReload, err))
	}
	return nil
}

// undo puts back what a file had and has the gateway read it again. It returns why, and
// what failed beside it.
func (f *Folder) undo(r *record, live Live, why error) error {
	if err := f.putBack(r); err != nil {
		return errors.Join(why, fmt.Errorf("and %s is not as it was before: %w", f.Path(r.File), err))
	}
	if err := live.Reload(); err != nil {
		return errors.Join(why, fmt.Errorf("and the configuration before it is refused, too: %w", err))
	}
	return why
}
