package status

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWhoMayChange(t *testing.T) {
	for _, c := range []struct {
		peer, self int
		want       bool
	}{
		{0, 998, true}, {998, 998, true}, {1000, 998, false}, {0, 0, true}, {1000, 0, false},
		{overflowUser, 998, false},
		{overflowUser, overflowUser, false}, // anybody, in a user namespace
	} {
		if got := privileged(c.peer, c.self); got != c.want {
			t.Errorf("user %d asks the gateway of user %d: may change is %v, want %v", c.peer, c.self, got, c.want)
		}
	}
}

// asMember is set in the child process of the test below: the path of the socket.
const asMember = "STATUS_TEST_SOCKET"

// A member of the gateway's group sees the status, and can neither reload nor remove a
// session nor do more over the API than look.
func TestGroupMayLookAndNoMore(t *testing.T) {
	if path := os.Getenv(asMember); path != "" {
		member(t, path)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: becoming another user needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "socket") // t.TempDir is closed for others
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	changed := 0
	path := filepath.Join(dir, "control.sock")
	c := Control{
		Path:          path,
		Snapshot:      func() Snapshot { return Snapshot{Node: "barn"} },
		Reload:        func() error { changed++; return nil },
		RemoveSession: func(context.Context, string) error { changed++; return nil },
		Sessions:      func() any { return []string{} },
		More: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, CameFromSocket(r.Context()), " ", MayChange(r.Context()))
		}),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for Reload(t.Context(), path) != nil { // until it listens
		if t.Context().Err() != nil {
			t.Fatal("it does not listen")
		}
	}
	test := filepath.Join(dir, "test")
	self, err := os.ReadFile("/proc/self/exe") // in a folder that the other user may not enter
	if err == nil {
		err = os.WriteFile(test, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(test, "-test.run", "^TestGroupMayLookAndNoMore$", "-test.v")
	cmd.Env = append(os.Environ(), asMember+"="+path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: uint32(os.Getgid())}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("this machine does not run the test's own program: an emulated processor")
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("as a member of the group: %v\n%s", err, out)
	}
	if changed != 1 { // by us, who are root
		t.Errorf("%d changes got through, want only that of root", changed)
	}
}

func member(t *testing.T, path string) {
	if s, err := Fetch(t.Context(), path); err != nil || s.Node != "barn" {
		t.Errorf("status: %v, %v", s.Node, err)
	}
	for name, err := range map[string]error{
		"reload":         Reload(t.Context(), path),
		"remove session": RemoveSession(t.Context(), path, "panel"),
	} {
		if err == nil || !strings.Contains(err.Error(), "try: sudo sensorgate") {
			t.Errorf("%s: %v, want a refusal with the line to type", name, err)
		}
	}
}
