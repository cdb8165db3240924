package confd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sensorgate/internal/disk"
)

// maxRead bounds what is read into memory of one file.
const maxRead = 2 << 20

func readFile(d disk.FS, path string) ([]byte, error) {
	f, err := d.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxRead {
		return nil, fmt.Errorf("%s: %w: %d bytes", path, ErrTooLarge, size)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return b, nil
}

// partSuffix is the end of the name of a file that is being written.
const partSuffix = ".part"

// writeFile puts data into a file as a whole and on the disk: after it returned nil, and
// whatever happens, the file has data; if it returns an error, or the power goes, the file
// has what it had or data.
func writeFile(d disk.FS, path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := d.MkdirAll(dir); err != nil {
		return err
	}
	// Of an earlier attempt, and perhaps longer.
	part := path + partSuffix
	if err := d.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(d, part, data); err != nil {
		return errors.Join(err, d.Remove(part))
	}
	if err := d.Rename(part, path); err != nil {
		return err
	}
	return d.SyncDir(dir)
}

func writeSynced(d disk.FS, path string, data []byte) error {
	f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		_, err = f.WriteAt(data, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeFile removes a file, if it is there, for good.
func removeFile(d disk.FS, path string) error {
	if err := d.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// Append puts a device table at the end of a file's text.
func Append(file, device string) string {
	file = strings.TrimRight(file, "\n")
	if file != "" {
		file += "\n\n"
	}
	return file + strings.TrimRight(device, "\n") + "\n"
}
