package i2ctest

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// EZO simulates an Atlas Scientific circuit: text in, a status byte and text out.
type EZO struct {
	Conversion
	Name, Value string
	Said        []string // commands
	Calibrated  []string // what it was calibrated to since it was last cleared

	asleep   bool
	scale    string // of an RTD circuit, "" is c
	disabled bool   // the output that we want
	answer   string
	code     byte
}

// PowerOn implements Chip.
func (c *EZO) PowerOn() {
	c.Abort()
	c.answer, c.code = "", 255
}

// Unit is the output that a conductivity or oxygen circuit has after power-on.
func (c *EZO) Unit() string { return map[string]string{"EC": "EC", "D.O.": "mg"}[c.Name] }

func (c *EZO) other() string { return map[string]string{"EC": "TDS", "D.O.": "%"}[c.Name] }

// shown is the value in what another program set.
func (c *EZO) shown() string {
	v, err := strconv.ParseFloat(c.Value, 64)
	switch {
	case err != nil:
		return c.Value
	case c.disabled:
		return strconv.FormatFloat(v/2, 'f', 2, 64)
	case c.scale == "k":
		return strconv.FormatFloat(v+273.15, 'f', 3, 64)
	case c.scale == "f":
		return strconv.FormatFloat(v*1.8+32, 'f', 3, 64)
	}
	return c.Value
}

// Leave implements Leaver.
func (c *EZO) Leave(r *rand.Rand) {
	for _, cmd := range []string{"S,k", "S,f", "O," + c.Unit() + ",0", "Sleep"} {
		if r.IntN(3) == 0 {
			_ = c.Write([]byte(cmd))
		}
	}
}

// Write implements Chip.
func (c *EZO) Write(b []byte) error {
	cmd := string(b)
	c.Said = append(c.Said, cmd)
	takes := 300 * time.Millisecond
	c.answer, c.code = "", 1
	if c.asleep { // which the command ends, and no more
		c.asleep, c.code = false, 255
		return nil
	}
	switch {
	case cmd == "Sleep":
		c.asleep = true
	case cmd == "S,?" && c.Name == "RTD":
		c.answer = "?S," + c.scale
		if c.scale == "" {
			c.answer += "c"
		}
	case strings.HasPrefix(cmd, "S,") && c.Name == "RTD":
		c.scale = cmd[2:]
	case cmd == "O,?" && c.other() != "":
		c.answer = "?O," + c.Unit()
		if c.disabled {
			c.answer = "?O," + c.other()
		}
	case c.other() != "" && (cmd == "O,"+c.Unit()+",1" || cmd == "O,"+c.other()+",0"):
		c.disabled = false
	case c.other() != "" && cmd == "O,"+c.Unit()+",0":
		c.disabled = true
	case cmd == "i":
		c.answer = "?I," + c.Name + ",1.98"
	case cmd == "R":
		c.answer, takes = c.shown(), 580*time.Millisecond
	case cmd == "Cal,clear":
		c.Calibrated = nil
	case cmd == "Cal" && c.Name == "D.O.", strings.HasPrefix(cmd, "Cal,"):
		takes = 880 * time.Millisecond
		if c.Name == "D.O." {
			takes = 1280 * time.Millisecond
		}
		if strings.HasPrefix(cmd, "Cal,mid,") {
			c.Calibrated = nil
		}
		c.Calibrated = append(c.Calibrated, strings.TrimPrefix(cmd, "Cal"))
	case strings.HasPrefix(cmd, "T,"):
	default:
		c.code = 2
	}
	c.Start(takes)
	return nil
}

// Read implements Chip.
func (c *EZO) Read(b []byte) error {
	c.Finish()
	for i := range b {
		b[i] = 0
	}
	if c.Running() {
		b[0] = 254
		return nil
	}
	b[0] = c.code
	copy(b[1:], c.answer)
	c.code = 255
	return nil
}
