// Package passwd reads and writes mosquitto's password files and checks passwords
// against them.
//
// A file has one `user:hash` per line; empty lines and lines that begin with # are left
// out. Two kinds of hash are read: $7$ (PBKDF2 with SHA-512, what mosquitto_passwd 2.0
// writes) and $argon2id$ (mosquitto 2.1, and what we write). A file is good as a whole or
// not at all: a half-written one must not lock out half of the users, or let them in.
//
// Checking costs some 20 ms and 19 MB on purpose. Who checks bounds how many do so at a
// time; the broker does.
package passwd

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of the hashes that we write: OWASP's smallest for argon2id.
const (
	argonMemory  = 19_456 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// Bounds of the hashes that we read: a line in a file must not take the machine down.
const (
	maxArgonMemory = 256 << 10 // KiB
	maxArgonTime   = 64
	maxIterations  = 10_000_000
	maxKey         = 128
)

var errHash = errors.New("hash is neither $7$ (mosquitto_passwd) nor $argon2id$; write it anew with: sensorgate passwd")

// Hash returns the argon2id hash of a password with a fresh salt, as it stands in a file.
func Hash(password []byte) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand
	key := argon2.IDKey(password, salt, argonTime, argonMemory, argonThreads, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

// mosquitto_passwd 2.0 makes 101 iterations; the reader takes their number from the hash. OWASP's advice of 2023 is 210,000.
const (
	pbkdf2Iterations = 210_000
	pbkdf2Salt       = 12 // bytes; mosquitto 2.0 reads no other length
	pbkdf2Key        = 64
)

// HashPBKDF2 is Hash for mosquitto 2.0, which does not know argon2id.
func HashPBKDF2(password []byte) (string, error) {
	salt := make([]byte, pbkdf2Salt)
	_, _ = rand.Read(salt) // never fails: crypto/rand
	key, err := pbkdf2.Key(sha512.New, string(password), salt, pbkdf2Iterations, pbkdf2Key)
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding
	return fmt.Sprintf("$7$%d$%s$%s", pbkdf2Iterations, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// Verify reports whether the password has the hash. Its time does not depend on where
// they differ. A hash that Check refuses matches nothing.
func Verify(hash string, password []byte) bool {
	h, err := parse(hash)
	if err != nil {
		return false
	}
	key, err := h.derive(password)
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

// Check reports why a hash cannot be used.
func Check(hash string) error {
	_, err := parse(hash)
	return err
}

// parsed is a hash taken apart.
type parsed struct {
	argon      bool
	iterations int // of PBKDF2, or argon2's time
	memory     uint32
	threads    uint8
	salt, key  []byte
}

func (h *parsed) derive(password []byte) ([]byte, error) {
	if h.argon {
		return argon2.IDKey(password, h.salt, uint32(h.iterations), h.memory, h.threads, uint32(len(h.key))), nil
	}
	return pbkdf2.Key(sha512.New, string(password), h.salt, h.iterations, len(h.key))
}

func parse(hash string) (*parsed, error) {
	f := strings.Split(hash, "$")
	switch {
	case len(f) == 5 && f[0] == "" && f[1] == "7":
		return parsePBKDF2(f[2], f[3], f[4])
	case len(f) == 6 && f[0] == "" && f[1] == "argon2id":
		return parseArgon(f[2], f[3], f[4], f[5])
	}
	return nil, errHash
}

func parsePBKDF2(iterations, salt, key string) (*parsed, error) {
	n, err := strconv.Atoi(iterations)
	if err != nil || n < 1 || n > maxIterations {
		return nil, fmt.Errorf("$7$ hash: %q iterations", iterations)
	}
	h := &parsed{iterations: n}
	return h, h.decode(base64.StdEncoding, salt, key)
}

func parseArgon(version, params, salt, key string) (*parsed, error) {
	if version != "v=19" {
		return nil, fmt.Errorf("argon2id hash: version %q, known is v=19", version)
	}
	var m, t, p int
	if n, err := fmt.Sscanf(params, "m=%d,t=%d,p=%d", &m, &t, &p); err != nil || n != 3 ||
		params != fmt.Sprintf("m=%d,t=%d,p=%d", m, t, p) {
		return nil, fmt.Errorf("argon2id hash: parameters %q", params)
	}
	if m < 8 || m > maxArgonMemory || t < 1 || t > maxArgonTime || p < 1 || p > 16 {
		return nil, fmt.Errorf("argon2id hash: parameters %q are out of bounds", params)
	}
	h := &parsed{argon: true, iterations: t, memory: uint32(m), threads: uint8(p)}
	return h, h.decode(base64.RawStdEncoding, strings.TrimRight(salt, "="), strings.TrimRight(key, "="))
}

func (h *parsed) decode(enc *base64.Encoding, salt, key string) (err error) {
	if h.salt, err = enc.Strict().DecodeString(salt); err != nil || len(h.salt) == 0 {
		return errors.New("hash: the salt is not base64")
	}
	if h.key, err = enc.Strict().DecodeString(key); err != nil || len(h.key) < 16 || len(h.key) > maxKey {
		return errors.New("hash: the key is not base64 of 16 to 128 bytes; is the line cut off?")
	}
	return nil
}
