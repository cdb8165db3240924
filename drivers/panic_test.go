package drivers

import (
	"errors"
	"strings"
	"testing"
)

func TestGuardReturnsAPanicAsAnError(t *testing.T) {
	err := Guard(func() error {
		var none []int
		_ = none[len(none)]
		return nil
	})
	var p *PanicError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), "index out of range") || !strings.Contains(string(p.Stack), "panic_test.go") {
		t.Errorf("got %v, want the panic and where it was", err)
	}
	want := errors.New("trouble")
	if err := Guard(func() error { return want }); err != want {
		t.Errorf("got %v, want the error as it is", err)
	}
}
