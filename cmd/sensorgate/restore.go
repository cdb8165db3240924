package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/disk"
	"sensorgate/internal/journal"
	"sensorgate/internal/status"
)

func newRestore() *cobra.Command {
	var s settings
	var force bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "put a backup in place of an empty store and the configuration of a fresh installation",
		Long: `Unpacks what backup has written: the configuration into the folder of --config, the store
where that configuration says. The gateway must be stopped. What a fresh installation has made
already is set aside beside it; a store in which something waits, or that has sessions, is only
replaced with --force. What an upstream has received since the backup was made is
sent once more.`,
		Example: "  sudo systemctl stop sensorgate\n  sudo sensorgate restore /media/usb/barn-pi.tar.gz\n  sudo systemctl start sensorgate",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := status.Fetch(cmd.Context(), s.findSocket()); err == nil {
				return usageError{errors.New("the gateway is running (try: sudo systemctl stop sensorgate)")}
			}
			r := restore{settings: &s, force: force}
			if err := r.unpack(args[0]); err != nil {
				return err
			}
			if r.aside != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "the store that was here is kept in %s (to be removed when all is well)\n", r.aside)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "node %s of %s is restored: %s, store in %s\n", r.head.Node, r.head.Time.Format("2006-01-02 15:04 MST"),
				s.path, orDash(r.data))
			return err
		},
	}
	cmd.Flags().StringVarP(&s.path, "config", "c", defaultConfig, "configuration `file` to write")
	cmd.Flags().BoolVar(&force, "force", false, "replace a store that is not empty")
	return cmd
}

type restore struct {
	settings *settings
	force    bool
	head     backupHead
	data     string
	aside    string // where the store went that was there before; "" if there was none

	written map[string]bool // paths of the configuration that the backup has
}

// unpack reads the archive once: backup.json first, then the configuration, then the store.
func (r *restore) unpack(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w (is it a file that sensorgate backup has written?)", file, err)
	}
	in, storeReady := tar.NewReader(zip), false
	for first := true; ; first = false {
		h, err := in.Next()
		if err == io.EOF && !first {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		switch {
		case first:
			if h.Name != "backup.json" || json.NewDecoder(io.LimitReader(in, 1<<20)).Decode(&r.head) != nil {
				return usageError{fmt.Errorf("%s: no backup of sensorgate", file)}
			}
			if _, err := r.replaceable(r.head.Data); err != nil { // before anything is written
				return err
			}
		// Clean too: config/ is cut off below, and what is behind must not lead out of its folder.
		case h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) || filepath.Clean(h.Name) != h.Name:
			return fmt.Errorf("%s: %q is not a file of a backup", file, h.Name)
		case strings.HasPrefix(h.Name, "config/"):
			if err := r.configFile(strings.TrimPrefix(h.Name, "config/"), h, in); err != nil {
				return err
			}
		case strings.HasPrefix(h.Name, "store/"):
			if !storeReady {
				if err := r.prepareStore(); err != nil {
					return err
				}
				storeReady = true
			}
			if err := writeRestored(filepath.Join(r.data, strings.TrimPrefix(h.Name, "store/")), 0o600, in); err != nil {
				return err
			}
		}
	}
	if _, err := io.Copy(io.Discard, zip); err != nil { // the archive ends before the checksum does
		return fmt.Errorf("%s: %w", file, err)
	}
	if !storeReady {
		if err := r.load(); err != nil {
			return err
		}
	}
	if err := r.nameNode(); err != nil {
		return err
	}
	return r.owners()
}

// configFile writes one file of the configuration beside --config; the main one is --config.
// What stood there is kept beside it.
func (r *restore) configFile(name string, h *tar.Header, in io.Reader) error {
	path := filepath.Join(filepath.Dir(r.settings.path), name)
	if name == r.head.Main {
		path = r.settings.path
	}
	if r.written == nil {
		r.written = map[string]bool{}
	}
	r.written[path] = true
	text, err := io.ReadAll(io.LimitReader(in, 64<<20))
	if err != nil {
		return err
	}
	if had, err := os.ReadFile(path); err == nil && string(had) != string(text) {
		if err := os.Rename(path, path+".before-restore"); err != nil {
			return err
		}
	}
	return writeRestored(path, fs.FileMode(h.Mode)&0o777, strings.NewReader(string(text)))
}

// setOthersAside takes the files of conf.d out of the configuration that the backup does not have: it
// would not be as it was, and a table may be in two files then.
func (r *restore) setOthersAside() error {
	others, err := filepath.Glob(filepath.Join(filepath.Dir(r.settings.path), "conf.d", "*.toml"))
	if err != nil {
		return err
	}
	for _, path := range others {
		if !r.written[path] {
			err = errors.Join(err, os.Rename(path, path+".before-restore"))
		}
	}
	return err
}

// nameNode writes the name of the node into the main file if it came from the old board's host name:
// no file of the configuration has it then.
func (r *restore) nameNode() error {
	files := []string{r.settings.path}
	for _, dir := range []string{filepath.Join(filepath.Dir(r.settings.path), "conf.d"), config.SavedDir(r.data)} {
		more, err := filepath.Glob(filepath.Join(dir, "*.toml"))
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && nodeLine.Match(text) {
			return nil
		}
	}
	text, err := os.ReadFile(r.settings.path)
	if err != nil {
		return err
	}
	info, err := os.Stat(r.settings.path)
	if err != nil {
		return err
	}
	named := fmt.Sprintf("node = %q    # the host name of the board that the backup is of\n%s", r.head.Node, text)
	return writeRestored(r.settings.path, info.Mode().Perm(), strings.NewReader(named))
}

// load reads what was restored and finds out where its store is. Secrets that the backup
// does not have may be missing; the store is put in its place all the same.
func (r *restore) load() error {
	if err := r.setOthersAside(); err != nil {
		return err
	}
	c, problems := r.settings.read()
	if c == nil {
		problems.WriteText(os.Stderr, useColour(os.Stderr))
		fmt.Fprintf(os.Stderr, "sensorgate: %s is restored and not complete: put the missing files there before the start\n", r.settings.path)
		r.data = r.head.Data
		return nil
	}
	r.data = c.Data
	return nil
}

// prepareStore makes the folder of the store, and room in it.
func (r *restore) prepareStore() error {
	if err := r.load(); err != nil {
		return err
	}
	if r.data == "" {
		return fmt.Errorf("%s keeps nothing on disk (data is empty), and the backup has a store", r.settings.path)
	}
	have, err := r.replaceable(r.data)
	if err != nil {
		return err
	}
	if len(have) > 0 && !r.force {
		r.aside = filepath.Join(r.data, setAside+time.Now().UTC().Format("20060102T150405"))
	}
	for name := range have {
		old := filepath.Join(r.data, name)
		if r.aside == "" {
			err = os.Remove(old)
		} else {
			next := filepath.Join(r.aside, name)
			err = errors.Join(os.MkdirAll(filepath.Dir(next), 0o700), os.Rename(old, next))
		}
		if err != nil {
			return err
		}
	}
	return os.MkdirAll(r.data, 0o700)
}

// setAside begins the names of folders in the store that no gateway reads: stores that were there
// before a restore.
const setAside = "before-restore-"

// replaceable returns the files of a store that a restore may take the place of: without --force only
// what the gateway of a fresh installation makes, whom nobody has given anything to keep.
func (r *restore) replaceable(dir string) (map[string]stamp, error) {
	if dir == "" {
		return nil, nil
	}
	if disk.IsLocked(filepath.Join(dir, "lock")) {
		return nil, usageError{fmt.Errorf("the store %s is in use (try: sudo systemctl stop sensorgate)", dir)}
	}
	have, err := stampsOf(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || len(have) == 0 || r.force {
		return have, err
	}
	snap, err := journal.Inspect(dir)
	if err != nil {
		return nil, usageError{fmt.Errorf("the store %s is not empty and cannot be read: %w (--force replaces it)", dir, err)}
	}
	defer snap.Close()
	if len(snap.Queues) > 0 {
		return nil, usageError{fmt.Errorf("the store %s is not empty: it has %s of spools and sessions (--force replaces it; what waits in it is lost then)", dir, count(len(snap.Queues), "queue"))}
	}
	return have, nil
}

func writeRestored(path string, mode fs.FileMode, in io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode), out.Sync(), out.Close())
}

// owners makes the store belong to the owner of its folder, and what others may not read of the
// configuration to the group of its folder: root has unpacked it.
func (r *restore) owners() error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := ownedLike(r.data, true); r.data != "" && err != nil {
		return err
	}
	return ownedLike(filepath.Dir(r.settings.path), false)
}

func ownedLike(dir string, owner bool) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Gid == 0 && st.Uid == 0 {
		return nil
	}
	uid := 0
	if owner {
		uid = int(st.Uid)
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || d.Name() == "credentials" || filepath.Base(filepath.Dir(path)) == "credentials" {
			return err
		}
		return os.Lchown(path, uid, int(st.Gid))
	})
}
