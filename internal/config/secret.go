package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret bounds a secret file; a password is short.
const maxSecret = 64 << 10

// secretTable is { file = } or { env = } or { credential = }.
type secretTable struct {
	File       string `toml:"file" doc:"file that holds nothing else"`
	Env        string `toml:"env" doc:"environment variable"`
	Credential string `toml:"credential" doc:"name of a systemd credential (LoadCredential=)"`
}

func (s *Secret) decodeNode(r *reporter, n *node) bool {
	if n.kind != kindTable {
		// The line is not shown: it may hold the secret itself.
		r.atValue(n, "a secret is never a value in the file", expected(`{ file = "…" }, { env = "…" } or { credential = "…" }`),
			try(quoteKey(n.name)+` = { file = "/etc/sensorgate/`+n.parent.name+`.pass" }`)).bare()
		return false
	}
	var t secretTable
	if !r.table(n, &t) {
		return false
	}
	*s = Secret(t)
	if len(n.fields) != 1 {
		r.atValue(n, "found "+plural(len(n.fields), "place")+" for one secret", expected("one of file, env, credential"))
		return false
	}
	return true
}

// Read gets the secret from where it is. One line end at its end is not part of it.
func (s Secret) Read() (string, error) {
	switch {
	case s.Env != "":
		v, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", fmt.Errorf("secret: the environment variable %s is not set", s.Env)
		}
		return v, nil
	case s.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", fmt.Errorf("secret: no systemd credentials here (try LoadCredential=%s:… in the unit)", s.Credential)
		}
		if s.Credential != filepath.Base(s.Credential) {
			return "", fmt.Errorf("secret: credential %q is a path, expected a name", s.Credential)
		}
		return readSecret(filepath.Join(dir, s.Credential))
	case s.File != "":
		return readSecret(s.File)
	}
	return "", nil
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSecret {
		err = errors.New("this is no password: the file is too long")
	}
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}
