// Package varint reads what is kept over a restart and was written with
// binary.AppendUvarint: frames of the journal, messages in the spool, the ledgers of
// QoS 2 in broker and bridge.
//
// One noun: a Reader. It never panics, whatever the bytes are; a fault of the disk, or a
// store of another version, ends as Failed.
//
// It is a package of its own because internal/journal and internal/mqtt, which both need
// it, import nothing of ours and not each other.
package varint

import "encoding/binary"

// Reader takes a stored value apart from the front. After the first fault, Failed stays
// true, nothing is left, and every further read returns a zero value: callers read all they
// expect and ask once at the end. The zero Reader has nothing to read.
type Reader struct {
	rest   []byte
	failed bool
}

// NewReader returns a Reader of b, which it does not change.
func NewReader(b []byte) Reader { return Reader{rest: b} }

// Failed reports whether some read did not find what it asked for.
func (r *Reader) Failed() bool { return r.failed }

// Done reports whether all was read without a fault and nothing is left.
func (r *Reader) Done() bool { return !r.failed && len(r.rest) == 0 }

// Rest returns what is not yet read; it shares memory with what NewReader got.
func (r *Reader) Rest() []byte { return r.rest }

// Fail marks the value as faulty: for a reader's user who finds that what it read cannot be.
func (r *Reader) Fail() { r.failed, r.rest = true, nil }

// Uvarint reads an unsigned number of up to 64 bits.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Number reads a number that is at most limit; a greater one is a fault.
func (r *Reader) Number(limit uint64) uint64 {
	v := r.Uvarint()
	if v > limit {
		r.Fail()
		return 0
	}
	return v
}

// Count reads how many elements follow. Each needs at least size bytes, so a count that
// cannot be is a fault here and not a loop of 2^60 turns, or as much memory, in the caller.
func (r *Reader) Count(size int) int {
	return int(r.Number(uint64(len(r.rest) / size)))
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Bytes reads a length and that many bytes. The result shares memory with what NewReader
// got, and its capacity ends where it ends.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.rest)) {
		r.Fail()
		return nil
	}
	return r.Take(int(n))
}

// Take reads n bytes that stand without a length; n must not be negative.
func (r *Reader) Take(n int) []byte {
	if r.failed || n > len(r.rest) {
		r.Fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}
