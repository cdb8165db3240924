package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/terminal"
)

// Control is what the local socket offers.
type Control struct {
	Path     string // of the Unix socket; its owner's group may connect too, to look
	Snapshot func() Snapshot
	Reload   func() error
	Plan     func() (any, error) // what a reload would change, for JSON
	More     http.Handler        // everything else: the routes of the HTTP API

	Store         func() any // what the journal has, for JSON
	Sessions      func() any // of the broker, for JSON
	RemoveSession func(ctx context.Context, client string) error
}

// Run serves the socket until ctx ends. The socket of a gateway that died is
// replaced, that of one that lives is an error.
func (c *Control) Run(ctx context.Context) error {
	l, err := listenUnix(c.Path)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(c.Snapshot())
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		if mayNotChange(w, r) {
			return
		}
		if err := c.Reload(); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	})
	mux.HandleFunc("GET /plan", func(w http.ResponseWriter, _ *http.Request) {
		plan, err := c.Plan()
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(plan)
	})
	for path, look := range map[string]func() any{"GET /journal": c.Store, "GET /sessions": c.Sessions} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(look())
		})
	}
	mux.HandleFunc("DELETE /sessions", func(w http.ResponseWriter, r *http.Request) {
		if mayNotChange(w, r) {
			return
		}
		if err := c.RemoveSession(r.Context(), r.URL.Query().Get("client")); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ConnContext: fromPeer}
	if c.More != nil {
		mux.Handle("/", c.More)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		srv.Close()
		<-served
	}
	os.Remove(c.Path)
	return err
}

func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if conn, derr := net.Dial("unix", path); derr == nil {
			conn.Close()
			return nil, fmt.Errorf("control socket %s: another sensorgate is running here (see: sensorgate status)", path)
		}
		os.Remove(path)
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

// Fetch asks the gateway behind the socket for its snapshot.
func Fetch(ctx context.Context, path string) (Snapshot, error) {
	var s Snapshot
	err := call(ctx, path, http.MethodGet, "/status", func(r io.Reader) error { return json.NewDecoder(r).Decode(&s) })
	return s, err
}

// Reload asks the gateway behind the socket to read its configuration again. The
// error of a refused reload says why.
func Reload(ctx context.Context, path string) error {
	return call(ctx, path, http.MethodPost, "/reload", func(io.Reader) error { return nil })
}

// Plan asks the gateway behind the socket what a reload would change; the answer is
// JSON.
func Plan(ctx context.Context, path string) (plan []byte, err error) {
	err = call(ctx, path, http.MethodGet, "/plan", func(r io.Reader) error {
		plan, err = io.ReadAll(r)
		return err
	})
	return plan, err
}

// Get asks the gateway behind the socket for a path of the HTTP API and reads the answer.
func Get(ctx context.Context, path, what string, read func(io.Reader) error) error {
	return call(ctx, path, http.MethodGet, what, read)
}

// Running reports whether a gateway listens on the socket, also one that this user may not ask.
func Running(path string) bool {
	nc, err := net.Dial("unix", path)
	if err == nil {
		nc.Close()
	}
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED)
}

// Store asks the gateway behind the socket what its journal has.
func Store(ctx context.Context, path string) (s journal.Summary, err error) {
	err = call(ctx, path, http.MethodGet, "/journal", func(r io.Reader) error { return json.NewDecoder(r).Decode(&s) })
	return s, err
}

// Sessions asks the gateway behind the socket for the sessions of its broker and decodes
// the answer into list, a pointer to a slice.
func Sessions(ctx context.Context, path string, list any) error {
	return call(ctx, path, http.MethodGet, "/sessions", func(r io.Reader) error { return json.NewDecoder(r).Decode(list) })
}

// RemoveSession has the gateway behind the socket end the session of a client id.
func RemoveSession(ctx context.Context, path, client string) error {
	return call(ctx, path, http.MethodDelete, "/sessions?client="+url.QueryEscape(client), func(io.Reader) error { return nil })
}

// ErrNotRunning is what every question returns when no gateway is there to answer.
var ErrNotRunning = errors.New("no gateway answers")

func call(ctx context.Context, path, method, what string, read func(io.Reader) error) error {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+what, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s (is it running? try: systemctl status sensorgate)", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied (try: %s; or, to look without sudo: sudo adduser $USER sensorgate, and log in again)", path, terminal.Sudo("sensorgate", os.Args[1:]))
	case err != nil:
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return read(res.Body)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s (try: %s)", onlyLook, terminal.Sudo("sensorgate", os.Args[1:]))
	}
	return refusal(res)
}

// refusal is the error that an answer carries: of the HTTP API what, where and what to try.
func refusal(res *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	var p struct{ Title, Detail, Try string }
	if json.Unmarshal(text, &p) != nil || p.Title == "" {
		return errors.New(string(text))
	}
	s := p.Title
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	if p.Try != "" {
		s += " (try: " + p.Try + ")"
	}
	return errors.New(s)
}
