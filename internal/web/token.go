package web

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// Token is one line of the file of tokens: name, role and the SHA-256 of the secret, with
// colons between them. A token is 32 random bytes, so that its hash needs no salt.
type Token struct {
	Name string
	Role Role
	hash [sha256.Size]byte
}

const tokenPrefix = "sg_"

// NewToken makes a token and its secret, which is shown once and kept nowhere.
func NewToken(name string, role Role) (t Token, secret string, err error) {
	if name == "" || strings.ContainsAny(name, ": \t\r\n#") {
		return t, "", fmt.Errorf("a token's name has no spaces, colons or #: found %q", name)
	}
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	return Token{name, role, sha256.Sum256([]byte(secret))}, secret, nil
}

// String is the token's line.
func (t Token) String() string {
	return t.Name + ":" + t.Role.String() + ":" + hex.EncodeToString(t.hash[:])
}

// ReadTokens reads a file of tokens. One that is not there has none.
func ReadTokens(path string) (all []Token, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		t, err := parseToken(line)
		if err != nil {
			return nil, fmt.Errorf("%s line %d: %w", path, n, err)
		}
		all = append(all, t)
	}
	return all, in.Err()
}

func parseToken(line string) (t Token, err error) {
	parts := strings.Split(line, ":")
	if len(parts) != 3 {
		return t, errors.New("expected NAME:ROLE:HASH (made by: sensorgate passwd token add)")
	}
	t.Name = parts[0]
	if t.Role, err = ParseRole(parts[1]); err != nil {
		return t, err
	}
	b, err := hex.DecodeString(parts[2])
	if err != nil || len(b) != sha256.Size {
		return t, errors.New("the hash is not 64 hexadecimal digits")
	}
	copy(t.hash[:], b)
	return t, nil
}

// tokens is the file as it is now: a token that is taken out of it is refused from then on.
type tokens struct {
	path string

	mu    sync.Mutex
	read  time.Time // change time of the file that was read
	size  int64
	known map[[sha256.Size]byte]Token
	err   error
}

func newTokens(path string) *tokens { return &tokens{path: path} }

func (t *tokens) find(secret string) (name string, role Role, ok bool) {
	if t.path == "" || !strings.HasPrefix(secret, tokenPrefix) || len(secret) > 100 {
		return "", Nobody, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	// The hash is compared, not the secret: how long that takes tells nothing about it.
	k, ok := t.known[sha256.Sum256([]byte(secret))]
	return k.Name, k.Role, ok
}

// refresh reads the file again if it changed. One that cannot be read has no tokens.
func (t *tokens) refresh() {
	st, err := os.Stat(t.path)
	if err == nil && st.ModTime().Equal(t.read) && st.Size() == t.size && t.known != nil {
		return
	}
	all, err := ReadTokens(t.path)
	t.known, t.err = map[[sha256.Size]byte]Token{}, err
	for _, k := range all {
		t.known[k.hash] = k
	}
	if st != nil {
		t.read, t.size = st.ModTime(), st.Size()
	}
}
