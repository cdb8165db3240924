package confd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/disk"
)

const (
	// ConfirmTime is how long a save that changes [web] or [broker] waits to be confirmed.
	ConfirmTime = 60 * time.Second

	maxText     = 256 << 10 // bytes of one file
	maxFiles    = 64
	maxVersions = 10
)

// Options of a Folder.
type Options struct {
	Data string  // the data folder; "": nothing can be written
	FS   disk.FS // nil: the real one
	Log  *slog.Logger
}

// Live is the running gateway that a Folder changes.
type Live interface {
	// Check checks the configuration as if the drafts were on the disk. changes is what a
	// reload would do, for JSON; risky, that it could cut off whoever saves. An error that
	// is config.Problems has the places.
	Check(drafts []config.Draft) (changes any, risky bool, err error)
	Reload() error
}

// What a Folder returns. Refused wraps the reload's own error.
var (
	ErrReadOnly    = errors.New("nothing can be saved: data = \"\" keeps everything in memory")
	ErrName        = errors.New("a file's name has letters, digits, - _ . only, and ends with .toml")
	ErrTooLarge    = errors.New("too large")
	ErrChanged     = errors.New("the file was changed meanwhile")
	ErrWaits       = errors.New("another save waits for its confirmation")
	ErrNothing     = errors.New("no save waits for its confirmation")
	ErrOldWay      = errors.New("the confirmation must come over a connection made after the save")
	ErrNoVersion   = errors.New("no such version")
	ErrReload      = errors.New("the reload was refused; everything is as before")
	ErrHidden      = errors.New("a secret is hidden here that the file does not have at this place")
	errUnknownFile = fs.ErrNotExist
)

// File is one file of the configuration.
type File struct {
	Name     string `json:"name"` // whole path of one that only people write; else the name in the data folder
	Text     string `json:"text"` // without secrets
	ETag     string `json:"etag"` // of Text; a save names the one that it was made from
	Writable bool   `json:"writable"`
	Paste    string `json:"paste,omitempty"` // the command that edits it, where it is not writable
}

// Folder is {data}/conf.d and the versions of its files. Make it with Open.
type Folder struct {
	dir, versions string // "": nothing can be written
	fs            disk.FS
	log           *slog.Logger
	wake          chan struct{} // has a value when waits was set

	saving sync.Mutex // one save at a time; taken before mu
	mu     sync.Mutex
	waits  *waiting
	last   int // number of the newest record
}

// Open makes the folder and undoes what an earlier run did not finish. It writes only if
// there is something to undo.
func Open(o Options) (*Folder, error) {
	f := &Folder{fs: o.FS, log: o.Log, wake: make(chan struct{}, 1)}
	if f.fs == nil {
		f.fs = disk.OS{}
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if o.Data == "" {
		return f, nil
	}
	f.dir, f.versions = config.SavedDir(o.Data), filepath.Join(o.Data, "versions")
	if err := f.recover(); err != nil {
		return nil, fmt.Errorf("configuration saved in %s: %w", f.dir, err)
	}
	return f, nil
}

// Writable reports whether anything can be saved.
func (f *Folder) Writable() bool { return f.dir != "" }

// Path is the whole path of a file of the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.dir, name) }

// Name is the name under which the API knows a file of the configuration: those of the
// folder by their own name, others by their path.
func (f *Folder) Name(path string) string {
	if f.dir != "" && filepath.Dir(path) == f.dir {
		return filepath.Base(path)
	}
	return path
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,58}\.toml$`)

// CheckName reports whether a file may be called so: no folder, nothing hidden, nothing
// that a shell would turn into something else.
func CheckName(name string) error {
	if !goodName.MatchString(name) {
		return fmt.Errorf("%w: found %.80q", ErrName, name)
	}
	return nil
}

// ETag is the mark of a text without its secrets.
func ETag(hidden string) string {
	sum := sha256.Sum256([]byte(hidden))
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// Files returns the files that a configuration was read from, and those of the folder that
// are there since, without secrets.
func (f *Folder) Files(paths []string) ([]File, error) {
	var out []File
	seen := map[string]bool{}
	for _, p := range paths {
		seen[p] = true
		text, err := f.read(p)
		if errors.Is(err, errUnknownFile) {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, f.file(p, text))
	}
	for _, name := range f.names() {
		if p := f.Path(name); !seen[p] {
			if text, err := f.read(p); err == nil {
				out = append(out, f.file(p, text))
			}
		}
	}
	return out, nil
}

func (f *Folder) file(path, text string) File {
	hidden := Hide(text)
	v := File{Name: f.Name(path), Text: hidden, ETag: ETag(hidden), Writable: f.Name(path) != path}
	if !v.Writable {
		v.Paste = "sudoedit " + path + " && sudo sensorgate reload"
	}
	return v
}

// names are the files of the folder.
func (f *Folder) names() []string {
	if f.dir == "" {
		return nil
	}
	all, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return nil // it is made by the first save
	}
	var names []string
	for _, n := range all {
		if strings.HasSuffix(n, ".toml") && !strings.HasPrefix(n, ".") {
			names = append(names, n)
		}
	}
	return names
}

// read returns the text of a file; of the folder through its file system.
func (f *Folder) read(path string) (string, error) {
	if f.Name(path) == path {
		b, err := os.ReadFile(path)
		return string(b), err
	}
	b, err := readFile(f.fs, path)
	return string(b), err
}

// Whole puts the secrets that a file has back into a text, as a save does, where that can
// be done.
func (f *Folder) Whole(path, text string) string {
	old, err := f.read(path)
	if err != nil {
		return text
	}
	if whole, err := Unhide(text, old); err == nil {
		return whole
	}
	return text
}
