package chips

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers"
)

// ezoStep is one way to calibrate a circuit, the probe being in what it is calibrated to.
type ezoStep struct {
	word   string // "" for a number alone
	cmd    string // what the circuit is sent, before the number
	usual  string // the number of the usual solution; "" takes none
	lo, hi float64
}

// ezoSteps are Atlas's "Cal" commands, as in the data sheets' sections on calibration. The limits
// of pH are ours: a word with the number of another would be believed by the circuit.
var ezoSteps = map[string][]ezoStep{
	"ph":  {{word: "mid", cmd: "Cal,mid,", usual: "7", lo: 6, hi: 8}, {word: "low", cmd: "Cal,low,", usual: "4", lo: 1, hi: 6}, {word: "high", cmd: "Cal,high,", usual: "10", lo: 8, hi: 13}},
	"orp": {{cmd: "Cal,", usual: "225", lo: -1019, hi: 1019}},
	"do":  {{word: "air", cmd: "Cal"}, {word: "zero", cmd: "Cal,0"}},
	"ec":  {{word: "dry", cmd: "Cal,dry"}, {cmd: "Cal,", usual: "1413", lo: 5, hi: 200000}, {word: "low", cmd: "Cal,low,", usual: "12880", lo: 5, hi: 200000}, {word: "high", cmd: "Cal,high,", usual: "80000", lo: 5, hi: 500000}},
	"rtd": {{cmd: "Cal,", usual: "100", lo: -126, hi: 1254}},
}

// usually is the command with the usual solution.
func (s ezoStep) usually() string { return strings.TrimSpace(s.word + " " + s.usual) }

// ezoCalibrated is the channel that calibrates. Its values are those of the usual solutions;
// other numbers are taken too.
func ezoCalibrated(circuit string) drivers.Channel {
	values := []string{"clear"}
	for _, s := range ezoSteps[circuit] {
		values = append(values, s.usually())
	}
	return drivers.Channel{Name: "calibrate", Kind: drivers.Event, Writable: true, Values: values}
}

// calibrate has the circuit take what it measures now for what the command says. It keeps that
// without power.
func (e *ezo) calibrate(ctx context.Context, c drivers.Command) error {
	cmd, err := ezoCalibration(e.o.Circuit, string(c.Payload))
	if err != nil {
		return err
	}
	takes := 900 * time.Millisecond
	if e.o.Circuit == "do" {
		takes = 1300 * time.Millisecond
	}
	_, err = e.ask(ctx, cmd, takes)
	if errors.Is(err, drivers.ErrNoAnswer) && ctx.Err() == nil {
		_, err = e.ask(ctx, cmd, takes) // asleep: the first command woke it
	}
	return err
}

// ezoCalibration is what the circuit is sent: "mid 7.00" is "Cal,mid,7".
func ezoCalibration(circuit, text string) (string, error) {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ' ' || r == ',' })
	if len(words) == 1 && words[0] == "clear" {
		return "Cal,clear", nil
	}
	var usual []string
	for _, s := range ezoSteps[circuit] {
		usual = append(usual, s.usually())
		rest := words
		if s.word != "" {
			if len(words) == 0 || words[0] != s.word {
				continue
			}
			rest = words[1:]
		}
		if s.usual == "" {
			if len(rest) == 0 {
				return s.cmd, nil
			}
			continue
		}
		if len(rest) != 1 {
			continue
		}
		v, err := strconv.ParseFloat(rest[0], 64)
		if err != nil {
			continue
		}
		if !(v >= s.lo && v <= s.hi) {
			return "", fmt.Errorf("%w: found %.20q, expected %g to %g", drivers.ErrRefused, text, s.lo, s.hi)
		}
		return s.cmd + strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("%w: found %.20q, expected clear or as in: %s", drivers.ErrRefused, text, strings.Join(usual, "; "))
}
