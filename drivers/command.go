package drivers

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bool reads the payload as the state of something that is on or off. Anything
// else is refused: a typo must not switch a pump.
func (c Command) Bool() (bool, error) {
	switch strings.ToLower(strings.TrimSpace(string(c.Payload))) {
	case "on", "true", "1", `"on"`:
		return true, nil
	case "off", "false", "0", `"off"`:
		return false, nil
	}
	return false, fmt.Errorf("%w: %s is not on or off", ErrRefused, quoted(c.Payload))
}

// Number reads the payload as a finite number.
func (c Command) Number() (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(string(c.Payload)), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%w: %s is not a number", ErrRefused, quoted(c.Payload))
	}
	return f, nil
}

// quoted keeps a payload of any size and content out of logs and answers.
func quoted(p []byte) string {
	const most = 40
	if len(p) > most {
		return strconv.Quote(string(p[:most])) + "…"
	}
	return strconv.Quote(string(p))
}
