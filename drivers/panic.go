package drivers

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic below a device, as an error: a fault in a driver or in a library
// that it uses. It costs that device, and nobody else.
type PanicError struct {
	Value any    // what was panicked with
	Stack []byte // of the goroutine that panicked
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("panic: %v (a fault in the program: please report it with the stack in the log)", e.Value)
}

// Guard runs f, and returns a panic in it as a *PanicError.
func Guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
