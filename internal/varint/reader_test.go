package varint

import (
	"encoding/binary"
	"math"
	"testing"
)

// What was written is read back, and what is cut short anywhere is a fault and no panic.
func TestWhatIsCutShortIsAFault(t *testing.T) {
	var b []byte
	b = binary.AppendUvarint(b, 300)
	b = append(binary.AppendUvarint(b, 3), "abc"...)
	b = append(b, 7)
	b = append(binary.AppendUvarint(b, 2), 1, 2)
	for n := range len(b) + 1 {
		r := NewReader(b[:n])
		number, text, single := r.Uvarint(), string(r.Bytes()), r.Byte()
		var elements []byte
		for range r.Count(1) {
			elements = append(elements, r.Byte())
		}
		if whole := n == len(b); r.Done() != whole || r.Failed() == whole {
			t.Errorf("%d of %d bytes: done %v, failed %v", n, len(b), r.Done(), r.Failed())
		} else if whole && (number != 300 || text != "abc" || single != 7 || string(elements) != "\x01\x02") {
			t.Errorf("read %d %q %d %v", number, text, single, elements)
		}
	}
}

func TestWhatCannotBeIsAFault(t *testing.T) {
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	long := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1} // more than 64 bits
	for name, read := range map[string]func(*Reader){
		"a length beyond the end":      func(r *Reader) { r.Bytes() },
		"a count beyond the end":       func(r *Reader) { r.Count(1) },
		"a number above its limit":     func(r *Reader) { r.Number(65535) },
		"a read behind a failed one":   func(r *Reader) { r.Fail(); r.Uvarint() },
		"more bytes than there are":    func(r *Reader) { r.Take(len(huge) + 1) },
		"a number of more than 64 bit": func(r *Reader) { *r = NewReader(long); r.Uvarint() },
	} {
		r := NewReader(huge)
		if read(&r); !r.Failed() || r.Done() || len(r.Rest()) != 0 {
			t.Errorf("%s: failed %v, done %v, %d bytes left", name, r.Failed(), r.Done(), len(r.Rest()))
		}
	}
}

// FuzzReader drives a Reader with a script of reads: it never panics, never returns more
// than there was, and stays failed once it has.
func FuzzReader(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 1, 2, 3}, []byte{5, 3, 'a', 'b', 'c', 1, 0})                                         // a short value
	f.Add([]byte{0, 0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})              // 2^64-1
	f.Add([]byte{2, 2}, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 'x'})                                       // a length of 4 GiB
	f.Add([]byte{3, 0, 3, 0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x80})        // a count of 2^63
	f.Add([]byte{1, 4, 5, 1, 0}, []byte{1, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2})  // too long a number
	f.Add([]byte{5, 0, 5, 2, 0, 0, 1}, []byte{1, 0, 0, 9, 't', 'o', 'p', 'i', 'c', '/', 'a', 'b', 1, 2}) // a ledger, more or less
	f.Fuzz(func(t *testing.T, script, value []byte) {
		r := NewReader(value)
		for _, step := range script {
			failed, left := r.Failed(), len(r.Rest())
			switch step % 6 {
			case 0:
				r.Uvarint()
			case 1:
				r.Byte()
			case 2:
				if b := r.Bytes(); len(b) > left || cap(b) != len(b) {
					t.Fatalf("%d bytes (capacity %d) of %d", len(b), cap(b), left)
				}
			case 3:
				if n := r.Count(2); n > left/2 {
					t.Fatalf("a count of %d elements of 2 bytes in %d bytes", n, left)
				}
			case 4:
				if b := r.Take(int(step)); b != nil && len(b) != int(step) {
					t.Fatalf("Take(%d) returned %d bytes", step, len(b))
				}
			case 5:
				if v := r.Number(65535); v > 65535 {
					t.Fatalf("a number above its limit: %d", v)
				}
			}
			if len(r.Rest()) > left || failed && !r.Failed() || r.Failed() && len(r.Rest()) > 0 {
				t.Fatalf("before: failed %v, %d left; after: failed %v, %d left", failed, left, r.Failed(), len(r.Rest()))
			}
		}
	})
}
