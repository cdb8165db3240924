package bus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Addr says where a chip is: "1:0x76" is bus 1, address 0x76; "1:0x70/3:0x76" is behind
// channel 3 of the multiplexer at 0x70. Instead of its number, which can change with USB
// adapters, a bus may be given by the adapter's name as `sensorgate scan i2c` prints it.
type Addr struct {
	Bus  string
	Hops []Hop
	Chip uint16
}

// Hop is one multiplexer on the way to a chip.
type Hop struct {
	Mux     uint16
	Channel uint8
}

// The addresses that a chip may have; the rest is reserved. NXP UM10204 section 3.1.12.
const (
	firstAddr = 0x01 // reserved up to 0x07, but the AS3935 is there
	lastAddr  = 0x77
)

// UnmarshalText reads the form of String.
func (a *Addr) UnmarshalText(text []byte) error {
	s := string(text)
	parts := strings.Split(s, ":")
	if len(parts) < 2 || parts[0] == "" {
		return fmt.Errorf("found %q, expected bus:address (try \"1:0x76\", or \"1:0x70/3:0x76\" behind a multiplexer)", s)
	}
	got := Addr{Bus: busName(parts[0])}
	for _, p := range parts[1 : len(parts)-1] {
		h, err := parseHop(p)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(got.Hops, func(o Hop) bool { return o.Mux == h.Mux }) {
			return fmt.Errorf("multiplexer 0x%02x is twice on the way", h.Mux)
		}
		got.Hops = append(got.Hops, h)
	}
	chip, err := parseChip(parts[len(parts)-1])
	if err != nil {
		return err
	}
	got.Chip = chip
	*a = got
	return nil
}

// busName makes "1" of the ways to write bus 1.
func busName(s string) string {
	n := strings.TrimPrefix(strings.TrimPrefix(s, "/dev/"), "i2c-")
	if v, err := strconv.ParseUint(n, 10, 16); err == nil {
		return strconv.FormatUint(v, 10)
	}
	return s
}

func parseHop(s string) (Hop, error) {
	mux, channel, ok := strings.Cut(s, "/")
	if !ok {
		return Hop{}, fmt.Errorf("found %q, expected multiplexer/channel (try \"0x70/3\")", s)
	}
	m, err := parseChip(mux)
	if err != nil {
		return Hop{}, err
	}
	// PCA9548A and TCA9548A, data sheets section "Control register": one bit per channel.
	c, err := strconv.ParseUint(channel, 10, 8)
	if err != nil || c > 7 {
		return Hop{}, fmt.Errorf("found multiplexer channel %q, expected 0 to 7", channel)
	}
	return Hop{Mux: m, Channel: uint8(c)}, nil
}

func parseChip(s string) (uint16, error) {
	hex, ok := strings.CutPrefix(strings.ToLower(s), "0x")
	v, err := strconv.ParseUint(hex, 16, 8)
	if !ok {
		if err == nil {
			return 0, fmt.Errorf("found address %q, expected hexadecimal (try \"0x%s\")", s, hex)
		}
		return 0, fmt.Errorf("found address %q, expected one like 0x76", s)
	}
	if err != nil || v < firstAddr || v > lastAddr {
		return 0, fmt.Errorf("found address %q, expected 0x%02x to 0x%02x", s, firstAddr, lastAddr)
	}
	return uint16(v), nil
}

// String returns the form that is written in the configuration.
func (a Addr) String() string {
	var b strings.Builder
	b.WriteString(a.Bus)
	for _, h := range a.Hops {
		fmt.Fprintf(&b, ":0x%02x/%d", h.Mux, h.Channel)
	}
	fmt.Fprintf(&b, ":0x%02x", a.Chip)
	return b.String()
}

// place returns the form for people.
func (a Addr) place() string {
	var b strings.Builder
	fmt.Fprintf(&b, "i2c bus %s, ", a.Bus)
	for _, h := range a.Hops {
		fmt.Fprintf(&b, "multiplexer 0x%02x channel %d, ", h.Mux, h.Channel)
	}
	fmt.Fprintf(&b, "address 0x%02x", a.Chip)
	return b.String()
}
