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
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/config"
	"sensorgate/internal/journal"
)

// backupHead is the first file of a backup, backup.json.
type backupHead struct {
	Node    string    `json:"node"`
	Version string    `json:"version"` // of the program that made it
	Time    time.Time `json:"time"`
	Main    string    `json:"main"` // name of the main file in config/
	Data    string    `json:"data"` // "" if nothing was kept on disk
}

func newBackup() *cobra.Command {
	var s settings
	var secrets bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "write configuration and store into one file, also while the gateway runs",
		Long: `Writes the configuration with the files it names, and the store (what waits, sessions,
totals, history), into a compressed tar archive. The gateway need not be stopped: the copy
is taken at a moment when nothing is being written, and then read as a check. What only
root or the gateway may read (passwords, keys, credentials) is left out without --secrets.`,
		Example: "  sudo sensorgate backup /media/usb/barn-pi.tar.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.rootOnly = true // or rather it takes all that there is
			c, err := s.load(os.Stderr)
			if err != nil {
				return err
			}
			b := backup{config: c, path: s.path, secrets: secrets}
			summary, err := b.write(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", args[0], summary)
			return err
		},
	}
	cmd.Flags().StringVarP(&s.path, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "with passwords, keys and credentials: keep the file to yourself")
	return cmd
}

type backup struct {
	config  *config.Config
	path    string
	secrets bool

	tar   *tar.Writer
	files int
	left  int // secrets
}

// write makes the archive beside its place and puts it there when it is whole.
func (b *backup) write(file string) (summary string, err error) {
	stage, err := os.MkdirTemp(filepath.Dir(file), ".sensorgate-backup-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	waiting := "nothing is kept on disk"
	if b.config.Data != "" {
		if waiting, err = stageStore(b.config.Data, filepath.Join(stage, "store")); err != nil {
			return "", err
		}
	}
	next := filepath.Join(stage, "archive")
	out, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	err = errors.Join(b.archive(out, stage), out.Sync(), out.Close())
	if err != nil {
		return "", err
	}
	if err := os.Rename(next, file); err != nil {
		return "", err
	}
	left := ""
	if b.left > 0 {
		left = fmt.Sprintf("; %s with secrets left out (--secrets takes them)", count(b.left, "file"))
	}
	return fmt.Sprintf("node %s, %s of configuration, %s%s", b.config.Node, count(b.files, "file"), waiting, left), nil
}

func (b *backup) archive(out io.Writer, stage string) error {
	zip := gzip.NewWriter(out)
	b.tar = tar.NewWriter(zip)
	head, err := json.MarshalIndent(backupHead{b.config.Node, version(), time.Now().UTC(), filepath.Base(b.path), b.config.Data}, "", "  ")
	if err != nil {
		return err
	}
	if err := b.add("backup.json", 0o600, int64(len(head)), strings.NewReader(string(head))); err != nil {
		return err
	}
	if err := b.addConfig(); err != nil {
		return err
	}
	store := filepath.Join(stage, "store")
	err = filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if errors.Is(err, fs.ErrNotExist) && path == store {
				return nil // nothing is kept on disk
			}
			return err
		}
		rel, err := filepath.Rel(stage, path)
		if err != nil {
			return err
		}
		return b.addFile(rel, path)
	})
	return errors.Join(err, b.tar.Close(), zip.Close())
}

func (b *backup) add(name string, mode, size int64, r io.Reader) error {
	if err := b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, ModTime: time.Now()}); err != nil {
		return err
	}
	_, err := io.Copy(b.tar, r)
	return err
}

func (b *backup) addFile(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.add(name, int64(info.Mode().Perm()), info.Size(), io.LimitReader(f, info.Size()))
}

// namedFile is a text in a configuration that may be the name of a file.
var namedFile = regexp.MustCompile(`["']([^"'\n]+)["']`)

// addConfig adds the files of the configuration, models of the user's own, and the files
// beside them that they name. What others may not read is a secret.
func (b *backup) addConfig() error {
	dir := filepath.Dir(b.path)
	paths, seen := append([]string{}, b.config.Files...), map[string]bool{}
	for _, name := range config.ModelNames(config.Catalogue{}, dir) {
		paths = append(paths, filepath.Join(dir, "models", filepath.FromSlash(name)+".toml"))
	}
	always := len(paths)
	for _, file := range b.config.Files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range namedFile.FindAllSubmatch(text, -1) {
			path := string(m[1])
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			paths = append(paths, path)
		}
	}
	credentials, err := filepath.Glob(filepath.Join(dir, "credentials", "*"))
	if err != nil {
		return err
	}
	for i, path := range append(paths, credentials...) {
		rel, err := filepath.Rel(dir, path)
		info, serr := os.Stat(path)
		if err != nil || serr != nil || seen[rel] || !info.Mode().IsRegular() || !filepath.IsLocal(rel) {
			continue // a text that names no file beside the configuration
		}
		seen[rel] = true
		if i >= always && info.Mode()&0o004 == 0 && !b.secrets {
			b.left++
			continue
		}
		b.files++
		if err := b.addFile("config/"+rel, path); err != nil {
			return err
		}
	}
	return nil
}

// stageStore copies the store and checks the copy; it returns what is in it.
func stageStore(from, to string) (string, error) {
	if err := copySettled(from, to); err != nil {
		return "", err
	}
	snap, err := journal.Inspect(to)
	if err != nil {
		return "", fmt.Errorf("the copy of the store cannot be read: %w (try again)", err)
	}
	defer snap.Close()
	var waiting uint64
	for _, q := range snap.Queues {
		waiting += q.Waiting
	}
	return fmt.Sprintf("%s in %s of the store", count(int(waiting), "waiting message"), count(len(snap.Queues), "queue")), nil
}
