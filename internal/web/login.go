package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	loginLife = 12 * time.Hour // since the last request
	maxLogins = 256            // the one that was not used for longest gives way
)

// logins are the browsers that people logged in with. Only hashes of the cookies are
// kept, and only in memory.
type logins struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*login
}

type login struct {
	user  string
	stamp string // of the user's password: another password ends the login
	used  time.Time
}

func newLogins() *logins { return &logins{all: map[[sha256.Size]byte]*login{}} }

// begin makes a login and returns the cookie's value.
func (l *logins) begin(user, stamp string) string {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	value := base64.RawURLEncoding.EncodeToString(secret)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var oldest [sha256.Size]byte
	first := now
	for k, x := range l.all {
		if now.Sub(x.used) > loginLife {
			delete(l.all, k)
		} else if x.used.Before(first) {
			oldest, first = k, x.used
		}
	}
	if len(l.all) >= maxLogins {
		delete(l.all, oldest)
	}
	l.all[sha256.Sum256([]byte(value))] = &login{user, stamp, now}
	return value
}

// find returns the user of a cookie, if the login still holds, and prolongs it.
func (l *logins) find(value string, stamp func(user string) string) (user string, ok bool) {
	key := sha256.Sum256([]byte(value))
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.all[key]
	if x == nil {
		return "", false
	}
	if now := time.Now(); now.Sub(x.used) > loginLife || x.stamp == "" || stamp(x.user) != x.stamp {
		delete(l.all, key)
		return "", false
	} else {
		x.used = now
	}
	return x.user, true
}

func (l *logins) end(value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, sha256.Sum256([]byte(value)))
}

// cookieName: under TLS and without a sub-path the browser itself guards the name
// (RFC 6265bis, 4.1.3.2).
func (s *Server) cookieName(r *http.Request) string {
	if s.encrypted(r) && s.o.Base == "" {
		return "__Host-sensorgate"
	}
	return "sensorgate"
}

func (s *Server) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(r), Value: value, Path: s.o.Base + "/", MaxAge: age,
		HttpOnly: true, Secure: s.encrypted(r), SameSite: http.SameSiteStrictMode,
	}
}

// Login is the body of POST /api/v1/login.
type Login struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Me is who asks, as the API answers it.
type Me struct {
	User    string `json:"user,omitempty"` // empty: not logged in
	Role    string `json:"role"`           // nobody, view, operate, admin
	CanLog  bool   `json:"can_log_in"`     // the gateway has users
	Version string `json:"version,omitempty"`
	Demo    bool   `json:"demo,omitempty"` // all is made up: sensorgate demo
}

func (s *Server) me(id identity) Me {
	m := Me{User: id.user, Role: id.role.String(), CanLog: s.o.Users != nil, Demo: s.o.Demo}
	if id.role >= View {
		m.Version = s.o.Version
	}
	return m
}

func (s *Server) postLogin(w http.ResponseWriter, r *http.Request) error {
	var in Login
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return badRequest(err.Error(), `{"user": "ann", "password": "…"}`)
	}
	if s.o.Users == nil {
		return problem(http.StatusForbidden, "nobody can log in", "the gateway has no users", "sensorgate web setup")
	}
	if err := s.verify(r, in.User, in.Password); err != nil {
		s.log.Warn("login refused", "user", in.User, "from", s.clientAddr(r))
		return err
	}
	value := s.logins.begin(in.User, s.stamp(in.User))
	http.SetCookie(w, s.cookie(r, value, int(loginLife.Seconds())))
	s.log.Info("logged in", "user", in.User, "from", s.clientAddr(r))
	writeJSON(w, s.me(identity{user: in.User, role: s.roleOf(in.User)}))
	return nil
}

func (s *Server) postLogout(w http.ResponseWriter, r *http.Request) error {
	if id := whoAsks(r); id.login != "" {
		s.logins.end(id.login)
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	writeJSON(w, Me{Role: Nobody.String(), CanLog: s.o.Users != nil})
	return nil
}

func (s *Server) getMe(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, s.me(whoAsks(r)))
	return nil
}

func (l *logins) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}
