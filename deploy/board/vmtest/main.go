// Command vmtest runs a static program on the virtual board and ends with its exit
// status; its output comes out as it is made. It is made for
//
//	go test -exec vmtest ./…
//
// vmtest -ready reports whether the board can run here, and if not why.
//
// with CGO_ENABLED=0. The working directory is shared with the board, so testdata is
// there. GOARCH=arm64 in the environment picks the arm64 board.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"sensorgate/deploy/board"
)

const (
	limit       = 10 * time.Minute
	exitTrouble = 125 // as of docker run: not the program's
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: vmtest -ready | PROGRAM [ARG...]")
		os.Exit(exitTrouble)
	}
	if os.Args[1] == "-ready" {
		if err := board.Ready(guestArch()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	status, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		os.Exit(exitTrouble)
	}
	os.Exit(status)
}

func run(program string, args []string) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "vmtest")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cwd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	m, err := board.New(dir, board.Config{Arch: guestArch(), Program: program, Args: guestArgs(args), Env: guestEnv(), Share: cwd})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if err := m.Boot(); err != nil {
		return 0, err
	}
	return m.Wait(ctx)
}

func guestArch() string {
	if a := os.Getenv("GOARCH"); a != "" {
		return a
	}
	return "amd64"
}

// guestArgs leaves out the files that go test wants written for its cache: their
// folder is not on the board, and what ran there must not be taken from a cache.
func guestArgs(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(a string) bool {
		return strings.HasPrefix(a, "-test.testlogfile=") || strings.HasPrefix(a, "-test.gocoverdir=")
	})
}

// guestEnv passes on what is meant for Go and for the tests.
func guestEnv() (env []string) {
	for _, e := range os.Environ() {
		if k, _, _ := strings.Cut(e, "="); strings.HasPrefix(k, "BOARD_") || k == "GODEBUG" || k == "GOTRACEBACK" {
			env = append(env, e)
		}
	}
	return env
}
