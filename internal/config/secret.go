package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sensorgate/internal/toml"
)

// maxSecret bounds a secret file; a password is short.
const maxSecret = 64 << 10

// secretTable is { file = } or { env = } or { credential = }.
type secretTable struct {
	File       string `toml:"file" example:"\"/etc/sensorgate/cloud.pass\"" doc:"The file that holds the secret and nothing else."`
	Env        string `toml:"env" example:"\"CLOUD_PASSWORD\"" doc:"The environment variable that holds it."`
	Credential string `toml:"credential" example:"\"secret_cloud\"" doc:"The name of a systemd credential (LoadCredential=)."`
}

func (s *Secret) DecodeNode(r *toml.Reporter, n *toml.Node) bool {
	if n.Kind != toml.KindTable {
		// The line is not shown: it may hold the secret itself.
		r.AtValue(n, "a secret is never a value in the file", toml.Expected(`{ file = "…" }, { env = "…" } or { credential = "…" }`),
			toml.Try(toml.QuoteKey(n.Name)+` = { file = "/etc/sensorgate/`+n.Parent.Name+`.pass" }`)).HideLine()
		return false
	}
	var t secretTable
	if !r.Table(n, &t) {
		return false
	}
	*s = Secret(t)
	if len(n.Fields) != 1 {
		r.AtValue(n, "found "+toml.Plural(len(n.Fields), "place")+" for one secret", toml.Expected("one of file, env, credential"))
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
