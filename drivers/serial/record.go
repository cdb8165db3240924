package serial

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
)

// A recording is text, one piece of bytes a line: seconds since the start, < for what
// was received or > for what was sent, and the bytes in hexadecimal. Lines that begin
// with # are comments.
//
//	# sensorgate recording: serial port /dev/ttyUSB0, 9600 8N1, 2026-11-23T09:00:00Z
//	0.000000 > 01 03 00 00 00 0A C5 CD
//	0.043112 < 01 03 14 …

const maxRecordLine = 64 << 10

// Recorder writes a recording. Its Tap is for Bus.Tap.
type Recorder struct {
	mu    sync.Mutex
	w     *bufio.Writer
	start time.Time
	bytes int64
	err   error
}

// NewRecorder begins a recording of b.
func NewRecorder(w io.Writer, b *Bus) *Recorder {
	r := &Recorder{w: bufio.NewWriter(w), start: time.Now()}
	_, r.err = fmt.Fprintf(r.w, "# sensorgate recording: %s, %s, %s\n", b, b.Line(), r.start.UTC().Format(time.RFC3339))
	return r
}

// Tap writes one piece.
func (r *Recorder) Tap(sent bool, p []byte, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	direction := byte('<')
	if sent {
		direction = '>'
	}
	if _, r.err = fmt.Fprintf(r.w, "%.6f %c % X\n", at.Sub(r.start).Seconds(), direction, p); r.err == nil {
		r.err = r.w.Flush() // a recording that was cut off is still one
	}
	r.bytes += int64(len(p))
}

// Bytes is how many were recorded, and what went wrong.
func (r *Recorder) Bytes() (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes, r.err
}

// piece is one line of a recording.
type piece struct {
	at   time.Duration
	sent bool
	data []byte
}

func parsePiece(line string) (p piece, err error) {
	fields := strings.SplitN(line, " ", 3)
	if len(fields) != 3 || fields[1] != "<" && fields[1] != ">" {
		return p, fmt.Errorf("%.60q: expected seconds, < or >, bytes", line)
	}
	seconds, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || seconds < 0 || seconds > 1e9 {
		return p, fmt.Errorf("%.60q: %q is not a time in seconds", line, fields[0])
	}
	p.at, p.sent = time.Duration(seconds*float64(time.Second)), fields[1] == ">"
	p.data, err = hex.DecodeString(strings.ReplaceAll(fields[2], " ", ""))
	if err != nil {
		return p, fmt.Errorf("%.60q: %w", line, err)
	}
	return p, nil
}

// Replay plays the part of the recorded device on wire, speed times as fast. What was
// sent then has to be sent again, by whoever is at the other end, before it goes on.
func Replay(ctx context.Context, recording io.Reader, wire io.ReadWriter, speed float64) error {
	lines := bufio.NewScanner(recording)
	lines.Buffer(nil, maxRecordLine)
	var before time.Duration
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		p, err := parsePiece(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		pause := p.at - before
		before = p.at
		if p.sent {
			if err := awaitRequest(ctx, wire, len(p.data)); err != nil {
				return err
			}
			continue
		}
		if !drivers.Sleep(ctx, time.Duration(float64(pause)/speed)) {
			return ctx.Err()
		}
		if _, err := wire.Write(p.data); err != nil {
			return err
		}
	}
	return lines.Err()
}

// awaitRequest reads as many bytes as were sent then. Which ones does not matter: the
// time of day in a request may differ.
func awaitRequest(ctx context.Context, wire io.Reader, n int) error {
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(wire, make([]byte, n))
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if c, ok := wire.(io.Closer); ok {
			return errors.Join(ctx.Err(), c.Close()) // ends the read
		}
		return ctx.Err()
	}
}
