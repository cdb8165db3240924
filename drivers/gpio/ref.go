package gpio

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Ref is how the user names a line: by the name that the board gives it (GPIO17), by
// chip and offset or name (gpiochip0:17, pinctrl-rp1:GPIO17), or by the pin of a
// header (P1_11).
type Ref string

// UnmarshalText checks the form; whether there is such a line is seen when it is opened.
func (r *Ref) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if s == "" {
		return errors.New(`found nothing, expected a line such as "GPIO17", "gpiochip0:17" or "P1_11"`)
	}
	if n, err := strconv.Atoi(s); err == nil {
		// 17 is a GPIO number for some and a pin of the header for others.
		return fmt.Errorf("found %q, which could be a line or a pin; expected \"GPIO%d\", \"gpiochip0:%d\" or \"P1_%d\"", s, n, n, n)
	}
	if chip, line, ok := cutLast(s, ":"); ok && (chip == "" || line == "") {
		return fmt.Errorf("found %q, expected chip:offset such as \"gpiochip0:17\"", s)
	}
	*r = Ref(strings.TrimPrefix(s, "/dev/"))
	return nil
}

// split returns the chip ("" for any) and the line's name or offset.
func (r Ref) split() (chip, line string) {
	if chip, line, ok := cutLast(string(r), ":"); ok {
		return chip, line
	}
	return "", string(r)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
