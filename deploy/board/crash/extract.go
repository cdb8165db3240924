package crash

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
)

// Extract copies the files of an ext4 image to dir, after what mounting would do: the
// file system's own journal is replayed. A file system that needs repair then is an
// error. It needs the Debian package e2fsprogs, and no privileges.
func Extract(image, dir string) error {
	if out, err := exec.Command("e2fsck", "-fy", "-E", "journal_only", image).CombinedOutput(); err != nil && !bytes.Contains(out, []byte("recovering journal")) {
		return fmt.Errorf("e2fsck: %w: %s", err, out)
	}
	if out, err := exec.Command("e2fsck", "-fn", image).CombinedOutput(); err != nil {
		return fmt.Errorf("the file system is damaged: %w: %s", err, out)
	}
	// debugfs ends with 0 whatever happens, and prints what it could not do.
	out, err := exec.Command("debugfs", "-R", "rdump / "+dir, image).CombinedOutput()
	if err == nil && bytes.Contains(out, []byte("rdump:")) {
		err = errors.New("incomplete")
	}
	if err != nil {
		return fmt.Errorf("debugfs: %w: %s", err, out)
	}
	return nil
}

// mounting is held while an image is mounted: those of one run have one file system id, and a kernel takes an id once.
var mounting sync.Mutex

// fsck finds what mounting would not notice. Of other file systems nothing is checked.
var fsck = map[string][]string{
	"btrfs": {"btrfs", "check", "--readonly"},
	"xfs":   {"xfs_repair", "-n"},
}

// ExtractMounted is Extract for whatever else this kernel can mount; only root can do it.
func ExtractMounted(fs, image, dir string) error {
	if err := copyMounted(fs, image, dir); err != nil {
		return err
	}
	check := fsck[fs]
	if check == nil {
		return nil
	}
	if out, err := exec.Command(check[0], append(check[1:], image)...).CombinedOutput(); err != nil {
		return fmt.Errorf("the file system is damaged: %s: %w: %s", check[0], err, out)
	}
	return nil
}

func copyMounted(fs, image, dir string) (err error) {
	mounting.Lock()
	defer mounting.Unlock()
	at, err := os.MkdirTemp("", "mnt")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(at)) }()
	if out, err := exec.Command("mount", "-t", fs, "-o", "loop", image, at).CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	defer func() {
		if out, e := exec.Command("umount", at).CombinedOutput(); e != nil {
			err = errors.Join(err, fmt.Errorf("umount: %w: %s", e, out))
		}
	}()
	if out, err := exec.Command("cp", "-a", "--sparse=always", at+"/.", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}
