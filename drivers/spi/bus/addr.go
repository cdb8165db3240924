package bus

import (
	"fmt"
	"strconv"
	"strings"
)

// Addr says where a chip is: "0.1" is bus 0, chip select 1, /dev/spidev0.1.
type Addr struct{ Bus, Select int }

// UnmarshalText reads the form of String, and "/dev/spidev0.1".
func (a *Addr) UnmarshalText(text []byte) error {
	s := strings.TrimPrefix(strings.TrimPrefix(string(text), "/dev/"), "spidev")
	bus, sel, ok := strings.Cut(s, ".")
	b, errBus := strconv.ParseUint(bus, 10, 15)
	c, errSelect := strconv.ParseUint(sel, 10, 8)
	if !ok || errBus != nil || errSelect != nil {
		return fmt.Errorf("found %q, expected bus.select (try \"0.0\", which is /dev/spidev0.0)", text)
	}
	*a = Addr{int(b), int(c)}
	return nil
}

// String returns the form that is written in the configuration.
func (a Addr) String() string { return fmt.Sprintf("%d.%d", a.Bus, a.Select) }

func (a Addr) path() string { return "/dev/spidev" + a.String() }
