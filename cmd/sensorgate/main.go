// Command sensorgate is an IoT edge gateway: it reads sensors on serial, I2C and
// GPIO, publishes to the MQTT broker inside the same process, and forwards to
// upstream brokers with a durable spool.
//
// This package is flags, signals and exit codes; one file per subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sensorgate/internal/terminal"
)

// Exit codes. The systemd unit does not restart on exitUsage.
const (
	exitTrouble = 1 // at run time
	exitUsage   = 2 // bad configuration or usage
)

// usageError is an error that is the caller's: wrong flags, broken configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errReported ends the program with the code of its kind; the reason was printed already.
var errReported = errors.New("")

// execute runs the command that the arguments name. What commands print on a terminal is
// escaped: names, values and reasons come from devices, clients and upstreams.
func execute(ctx context.Context, root *cobra.Command) error {
	if err := unknownCommand(root, os.Args[1:]); err != nil {
		return err
	}
	if !isTerminal(os.Stdout) {
		return root.ExecuteContext(ctx)
	}
	out := terminal.NewWriter(os.Stdout)
	root.SetOut(out)
	return errors.Join(root.ExecuteContext(ctx), out.Close())
}

// withSudo adds what to type when only root may do what was asked; a text of several lines
// has its own advice.
func withSudo(text string, err error) string {
	if !errors.Is(err, fs.ErrPermission) || os.Geteuid() == 0 || strings.Contains(text, "(try:") || strings.Contains(text, "\n") {
		return text
	}
	return text + " (try: " + terminal.Sudo("sensorgate", os.Args[1:]) + ")"
}

func main() {
	// A panic or an abort by the watchdog would end with Go's exit code 2, which is
	// exitUsage; with this it dies of SIGABRT, and the service manager starts it again.
	debug.SetTraceback("crash")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := execute(ctx, newRoot())
	stop()
	if err == nil {
		return
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintln(os.Stderr, "sensorgate:", terminal.EscapeText(withSudo(err.Error(), err)))
	}
	var ended interface{ ExitCode() int }
	if errors.As(err, &ended) {
		os.Exit(ended.ExitCode())
	}
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitTrouble)
}
