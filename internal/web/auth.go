package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sensorgate/internal/status"
)

// Role says what somebody may do. Each role may do what those before it may.
type Role uint8

const (
	Nobody  Role = iota // health, login
	View                // see everything but the configuration and the log
	Operate             // and send commands, read the log
	Admin               // and read and change the configuration
)

func (r Role) String() string { return [...]string{"nobody", "view", "operate", "admin"}[r] }

// ParseRole is the reverse of String.
func ParseRole(s string) (Role, error) {
	for r := View; r <= Admin; r++ {
		if r.String() == s {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("found the role %q, expected view, operate or admin", s)
}

// ErrBusy means that a password was not verified: too many wait, or too many were wrong.
// It says nothing about the password.
var ErrBusy = errors.New("too many logins")

// identity is who asks.
type identity struct {
	user  string // "" from loopback and the control socket
	role  Role
	login string // the cookie's value, for logout
}

type contextKey int

const (
	identityKey  contextKey = iota // identity
	connectedKey                   // time.Time
)

// connectedAt notes when the connection of a request was made.
func connectedAt(ctx context.Context, t time.Time) context.Context {
	return context.WithValue(ctx, connectedKey, t)
}

// connected is when the connection of a request was made; zero if that is not known. The
// control socket counts as new: whoever has it needs no listener.
func connected(r *http.Request) time.Time {
	if status.CameFromSocket(r.Context()) {
		return time.Now()
	}
	t, _ := r.Context().Value(connectedKey).(time.Time)
	return t
}

// tokenUser begins the name of a script's token, which is no user of the broker: those
// have no colon.
const tokenUser = "token:"

func whoAsks(r *http.Request) identity {
	id, _ := r.Context().Value(identityKey).(identity)
	return id
}

// identify finds out who asks. An error is a wrong or unverifiable credential, which is
// never taken for none.
func (s *Server) identify(r *http.Request) (identity, error) {
	switch ctx := r.Context(); {
	case status.MayChange(ctx):
		return identity{role: Admin}, nil
	case status.CameFromSocket(ctx):
		return identity{role: View}, nil // a member of the gateway's group
	}
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(kind, "Bearer") {
		name, role, ok := s.tokens.find(value)
		if !ok {
			return identity{}, problem(http.StatusUnauthorized, "the token is not known", "Authorization: Bearer", "sensorgate passwd token list FILE").because(wrongPassword)
		}
		return identity{user: tokenUser + name, role: role}, nil
	}
	if user, password, ok := r.BasicAuth(); ok && s.o.Users != nil {
		if err := s.verify(r, user, password); err != nil {
			return identity{}, err
		}
		return identity{user: user, role: s.roleOf(user)}, nil
	}
	if c, err := r.Cookie(s.cookieName(r)); err == nil {
		if user, ok := s.logins.find(c.Value, s.stamp); ok {
			return identity{user: user, role: s.roleOf(user), login: c.Value}, nil
		}
	}
	if s.fromLoopback(r) {
		return identity{role: View}, nil
	}
	return identity{}, nil
}

// roleAtOnce is what somebody may do as far as no password has to be verified for it.
func (s *Server) roleAtOnce(r *http.Request) string {
	if r.Header.Get("Authorization") != "" {
		return Nobody.String()
	}
	id, err := s.identify(r)
	if err != nil {
		return Nobody.String()
	}
	return id.role.String()
}

func (s *Server) stamp(user string) string {
	if s.o.Users == nil {
		return ""
	}
	return s.o.Users.Stamp(user)
}

func (s *Server) roleOf(user string) Role {
	switch {
	case slices.Contains(s.o.Admin, user):
		return Admin
	case slices.Contains(s.o.Operate, user):
		return Operate
	}
	return View
}

// maxPassword bounds what is handed to the verification.
const maxPassword = 1 << 10

func (s *Server) verify(r *http.Request, user, password string) error {
	if len(password) > maxPassword || len(user) > maxPassword {
		return problem(http.StatusUnauthorized, "user name or password is wrong", "longer than 1 KiB", "").because(wrongPassword)
	}
	err := s.o.Users.Verify(r.Context(), user, []byte(password), s.clientAddr(r))
	switch {
	case errors.Is(err, ErrBusy):
		return problem(http.StatusServiceUnavailable, "the password was not looked at", err.Error(), "again in a few seconds").because(passwordQueue)
	case err != nil:
		return problem(http.StatusUnauthorized, "user name or password is wrong", "user "+user, "sensorgate passwd").because(wrongPassword)
	}
	return nil
}

// fromLoopback reports whether the request was made on this machine by itself. One that
// somebody forwarded comes from wherever that somebody was asked.
func (s *Server) fromLoopback(r *http.Request) bool {
	a := remoteAddr(r)
	return a.IsLoopback() && !s.trusted(a) && !forwarded(r)
}

func forwarded(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded") || name == "X-Ingress-Path" {
			return true
		}
	}
	return false
}

func (s *Server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.o.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// clientAddr is who asked: of a request from a trusted proxy the last address that the
// proxy added.
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	a := remoteAddr(r)
	if !s.trusted(a) {
		return a
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, h := range slices.Backward(hops) {
		hop, err := netip.ParseAddr(strings.TrimSpace(h))
		if err != nil {
			break
		}
		if a = hop; !s.trusted(hop) {
			break
		}
	}
	return a
}

func remoteAddr(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}

// encrypted reports whether the browser's connection is: ours, or that of a trusted
// proxy which says so.
func (s *Server) encrypted(r *http.Request) bool {
	return r.TLS != nil || s.trusted(remoteAddr(r)) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// checkHost refuses requests for other names: a page of somebody else can make a name
// of its own point to this address (DNS rebinding).
func (s *Server) checkHost(r *http.Request) error {
	if status.CameFromSocket(r.Context()) {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".local") {
		return nil
	}
	if host == strings.ToLower(s.o.Gateway.Describe().Name) || slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return nil
	}
	return problem(http.StatusMisdirectedRequest, "this gateway does not go by that name", "Host: "+r.Host,
		fmt.Sprintf("its address, or in [web]: hosts = [%q]", host)).because(foreignHost)
}
