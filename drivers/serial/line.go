package serial

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Line is how bits are sent: "9600 8N1". The zero Line means 9600 8N1.
type Line struct {
	Baud   int
	Bits   int  // of data: 5 to 8
	Parity byte // N, E, O, M(ark) or S(pace)
	Stop   int  // 1 or 2
}

const maxBaud = 4_000_000 // what the kernel has a constant for

// UnmarshalText reads "9600 8N1", or only the speed.
func (l *Line) UnmarshalText(text []byte) error {
	speed, frame, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	frame = strings.ToUpper(strings.TrimSpace(frame))
	if frame == "" {
		frame = "8N1"
	}
	baud, err := strconv.Atoi(speed)
	if err != nil || baud < 50 || baud > maxBaud {
		return fmt.Errorf("found %q, expected a speed from 50 to %d and a frame, such as 9600 8N1", text, maxBaud)
	}
	if len(frame) != 3 || frame[0] < '5' || frame[0] > '8' || !strings.ContainsRune("NEOMS", rune(frame[1])) || frame[2] != '1' && frame[2] != '2' {
		return fmt.Errorf("found %q, expected data bits 5 to 8, parity N, E, O, M or S, stop bits 1 or 2, such as 8N1", frame)
	}
	*l = Line{Baud: baud, Bits: int(frame[0] - '0'), Parity: frame[1], Stop: int(frame[2] - '0')}
	return nil
}

// IsZero reports that nothing was said.
func (l Line) IsZero() bool { return l == Line{} }

func (l Line) orDefault() Line {
	if l.IsZero() {
		return Line{Baud: 9600, Bits: 8, Parity: 'N', Stop: 1}
	}
	return l
}

// String returns "9600 8N1".
func (l Line) String() string {
	l = l.orDefault()
	return fmt.Sprintf("%d %d%c%d", l.Baud, l.Bits, l.Parity, l.Stop)
}

// CharTime is how long one character takes on the wire.
func (l Line) CharTime() time.Duration {
	l = l.orDefault()
	bits := 1 + l.Bits + l.Stop
	if l.Parity != 'N' {
		bits++
	}
	return time.Duration(bits) * time.Second / time.Duration(l.Baud)
}
