package chip

import (
	"testing"

	"sensorgate/drivers/i2c/bus"
)

// Which two addresses cannot be used together: one of them is claimed alone.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		clash bool
	}{
		{"1:0x76", "1:0x76", true},
		{"1:0x76", "1:0x77", false},
		{"1:0x76", "2:0x76", false},
		{"1:0x70/0:0x76", "1:0x70/1:0x76", false},
		{"1:0x70/0:0x76", "1:0x71/0:0x76", false}, // the other multiplexer is switched off meanwhile
		{"1:0x76", "1:0x70/0:0x76", true},         // both would answer
		{"1:0x70", "1:0x70/0:0x76", true},         // a chip where the multiplexer is
		{"1:0x77", "1:0x70/0:0x76", false},
		{"1:0x70/0:0x76", "1:0x70/0:0x71/3:0x76", true},
		{"1:0x70/0:0x76", "1:0x70/0:0x71/3:0x77", false},
	} {
		if got := clash(t, c.a, c.b); got != c.clash {
			t.Errorf("%s and %s clash: %v, want %v", c.a, c.b, got, c.clash)
		}
	}
}

func clash(t *testing.T, a, b string) bool {
	t.Helper()
	var at [2]I2COptions
	for i, s := range []string{a, b} {
		var addr bus.Addr
		if err := addr.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		at[i].I2C = addr
	}
	for _, x := range at[0].Claims() {
		for _, y := range at[1].Claims() {
			if x.ID == y.ID && !(x.Shared && y.Shared) {
				return true
			}
		}
	}
	return false
}
