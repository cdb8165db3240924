package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sensorgate/drivers"
)

// A panic below a tool ends with an error and its stack, not with the program's.
func TestPanicInAToolIsAnError(t *testing.T) {
	parent, child := &cobra.Command{Use: "scan", SilenceErrors: true, SilenceUsage: true}, &cobra.Command{Use: "i2c"}
	child.RunE = func(*cobra.Command, []string) error { panic("one chip too many") }
	parent.AddCommand(child)
	guard(parent)
	var stack bytes.Buffer
	parent.SetErr(&stack)
	parent.SetArgs([]string{"i2c"})
	err := parent.Execute()
	var p *drivers.PanicError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), "one chip too many") || !strings.Contains(stack.String(), "guard_test.go") {
		t.Errorf("got %v and %q, want the panic and its stack", err, stack.String())
	}
}
