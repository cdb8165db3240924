package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"sensorgate/internal/config"
)

// runtimeSocket is the control socket of the packaged service.
const runtimeSocket = "/run/sensorgate/control.sock"

// SocketPath is where the gateway of a configuration listens for `status` and
// `reload`: in systemd's runtime directory, else beside the journal, else, where nothing is
// kept on disk, in a folder of this user's own, under a name made from the file's. "" if
// there is no such folder: then the gateway does without.
func SocketPath(c *config.Config) string {
	if dir := os.Getenv("RUNTIME_DIRECTORY"); dir != "" {
		return filepath.Join(dir, "control.sock")
	}
	if c.Data != "" {
		return filepath.Join(c.Data, "control.sock")
	}
	if len(c.Files) == 0 {
		return ""
	}
	file, err := filepath.Abs(c.Files[0])
	if err != nil {
		return ""
	}
	dir := os.Getenv("XDG_RUNTIME_DIR") // XDG Base Directory Specification 0.8: the user's, mode 0700
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("sensorgate-%d", os.Geteuid()))
	}
	if !ownFolder(dir) {
		return ""
	}
	sum := sha256.Sum256([]byte(file))
	return filepath.Join(dir, "sensorgate-"+hex.EncodeToString(sum[:6])+".sock")
}

// ownFolder makes the folder if it is not there and reports whether it is this user's alone:
// in a folder for everybody somebody else could have put one of that name.
func ownFolder(dir string) bool {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// FindSocket is where a running gateway of a configuration listens, as another
// process sees it: the service's socket if there is one and c, which may be nil, does not
// say otherwise.
func FindSocket(c *config.Config) string {
	if c == nil {
		return runtimeSocket
	}
	own := SocketPath(c)
	if _, err := os.Stat(own); own != "" && err == nil {
		return own
	}
	return runtimeSocket
}
