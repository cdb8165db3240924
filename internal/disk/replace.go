package disk

import (
	"os"
	"path/filepath"
	"syscall"
)

// Replace puts data into a file as a whole: whoever reads it sees the old or the new
// content, also after a power cut. Mode and owner of a file that is there stay; a new one
// has mode 0600.
func Replace(path string, data []byte) (err error) {
	mode, owner := os.FileMode(0o600), (*syscall.Stat_t)(nil)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		owner, _ = info.Sys().(*syscall.Stat_t)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".replace-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	// Root that changes a password must not take the file away from the service.
	if owner != nil && os.Getuid() == 0 {
		if err = tmp.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
