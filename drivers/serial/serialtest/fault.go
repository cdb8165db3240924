package serialtest

import (
	"bytes"
	"math/rand/v2"
	"time"
)

// Piece is bytes that come after a pause.
type Piece struct {
	After time.Duration
	Data  []byte
}

// Fault is what happens on the way to what a device sends: it returns what arrives
// instead. It must not change sent.
type Fault func(sent []byte) []Piece

// Healthy is no fault.
func Healthy(sent []byte) []Piece { return []Piece{{Data: sent}} }

// Silence loses everything.
func Silence([]byte) []Piece { return nil }

// Half loses the second half.
func Half(sent []byte) []Piece { return []Piece{{Data: sent[:len(sent)/2]}} }

// SecondHalf loses the first half, as for somebody who begins to listen in the middle.
func SecondHalf(sent []byte) []Piece { return []Piece{{Data: sent[len(sent)/2:]}} }

// Garbage replaces everything, as the wrong speed does.
func Garbage(sent []byte) []Piece { return []Piece{{Data: noise(len(sent))}} }

// Noise puts some bytes before, as a line driver that is switched on does.
func Noise(sent []byte) []Piece { return []Piece{{Data: append(noise(9), sent...)}} }

// Bytewise lets every byte come for itself, with pauses that are shorter than those
// between frames.
func Bytewise(sent []byte) []Piece {
	pieces := make([]Piece, len(sent))
	for i := range sent {
		pieces[i] = Piece{After: 200 * time.Microsecond, Data: sent[i : i+1]}
	}
	return pieces
}

// Late lets everything come after d.
func Late(d time.Duration) Fault {
	return func(sent []byte) []Piece { return []Piece{{After: d, Data: sent}} }
}

// WrongSum flips one bit, counted from the first byte's lowest; a check sum must notice.
func WrongSum(bit int) Fault {
	return func(sent []byte) []Piece {
		p := bytes.Clone(sent)
		bit := bit % (8 * len(p))
		p[bit/8] ^= 1 << (bit % 8)
		return []Piece{{Data: p}}
	}
}

// noise is bytes without a meaning, the same ones each time.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{11}).Read(p)
	return p
}
