package guest

import (
	"encoding"
	"reflect"
	"testing"
)

// setRef sets the gpio option, which is unexported with the rest of the options.
func setRef(t *testing.T, o any, ref string) {
	t.Helper()
	f := reflect.ValueOf(o).Elem().FieldByName("GPIO")
	if err := f.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(ref)); err != nil {
		t.Fatal(err)
	}
}
