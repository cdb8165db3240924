package passwd

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"sensorgate/internal/disk"
)

// File is the contents of a password file: hashes by user name.
type File map[string]string

// Load reads a file. An error names the line and never a hash.
func Load(path string) (File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	f, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("password file %s: %w", path, err)
	}
	return f, nil
}

// Parse reads the contents of a file. One without any user is refused: it is what a
// write that went wrong leaves behind.
func Parse(data []byte) (File, error) {
	f := File{}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(text, ":")
		switch {
		case !ok:
			return nil, fmt.Errorf("line %d: found no colon, expected user:hash", number)
		case CheckUser(user) != nil:
			return nil, fmt.Errorf("line %d: %w", number, CheckUser(user))
		case f[user] != "":
			return nil, fmt.Errorf("line %d: user %q stands there twice", number, user)
		}
		if err := Check(hash); err != nil {
			return nil, fmt.Errorf("line %d: user %q: %w", number, user, err)
		}
		f[user] = hash
	}
	if len(f) == 0 {
		return nil, fmt.Errorf("no user in it (add one with: sensorgate passwd)")
	}
	return f, nil
}

// CheckUser reports why a user name cannot be used.
func CheckUser(user string) error {
	switch {
	case user == "":
		return fmt.Errorf("user name is empty")
	case strings.ContainsAny(user, ":\r\n\x00") || !utf8.ValidString(user) || len(user) > 65535:
		return fmt.Errorf("user name %q: a colon, a line end or ill-formed text in it", user)
	}
	return nil
}

// Save writes the file so that a reader, also after a power cut, sees the old or the new
// contents and nothing between. Only the owner may read it, or whoever may read the file
// that it replaces.
func (f File) Save(path string) error {
	var b bytes.Buffer
	users := make([]string, 0, len(f))
	for user := range f {
		users = append(users, user)
	}
	slices.Sort(users)
	for _, user := range users {
		fmt.Fprintf(&b, "%s:%s\n", user, f[user])
	}
	if err := disk.Replace(path, b.Bytes()); err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	return nil
}
