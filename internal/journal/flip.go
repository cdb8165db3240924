package journal

import (
	"encoding/binary"
	"math/bits"
)

// A write that a power cut tore leaves what was there before: zeroes, or an older use of the segment, from somewhere in it
// on, or in some of its sectors. That differs from the frame in many bits. One wrong bit among right ones is damage, and
// CRC-32C distinguishes the two: two frames of one length differ in at least four bits up to 2^31 bits, and a torn one looks
// like one wrong bit once in 2^32 divided by its bits.

const (
	// maxFlipBody bounds the frames that are looked at: the longest is mistaken once in 8,192 torn ones.
	maxFlipBody = 64 << 10
	// What shows that the write has reached the wrong bit: so many bytes behind it that are not zero, or the next frame;
	flipBehind = 8
	// and in its sector the checksum and the lsn of one of the two frames, or so many bytes of this one.
	flipAround = 24
)

// flip is a frame in which one bit is wrong: which one, in bytes from its start, and its size.
type flip struct{ at, size int }

// flippedFrame looks for a frame with the lsn at the start of b whose only fault is one wrong bit; its size is 0 if that is
// not what stands there. It is not put right: what is not certain is no message.
func flippedFrame(b []byte, salt uint32, lsn uint64, epoch uint32) flip {
	if len(b) < frameHeader {
		return flip{}
	}
	for bit := range 32 { // of the length, which says what the checksum covers
		if f := otherwise(b, bit/8, 1<<(bit%8), salt, lsn, epoch); f.size > 0 {
			return f
		}
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n < 1 || n > maxFlipBody || frameSize(n) > len(b) {
		return flip{}
	}
	wrong := binary.LittleEndian.Uint32(b[4:]) ^ frameCRC(salt, b, n)
	if bits.OnesCount32(wrong) == 1 { // of the checksum itself
		bit := bits.TrailingZeros32(wrong)
		return otherwise(b, 4+bit/8, 1<<(bit%8), salt, lsn, epoch)
	}
	back := bitFromEnd(wrong, 8*(frameHeader-8+n))
	if back < 0 {
		return flip{}
	}
	return otherwise(b, frameHeader+n-1-back/8, 0x80>>(back%8), salt, lsn, epoch)
}

// otherwise looks whether b begins with a frame with the lsn if the bits of the mask are otherwise in its byte at.
func otherwise(b []byte, at int, mask byte, salt uint32, lsn uint64, epoch uint32) flip {
	b[at] ^= mask
	defer func() { b[at] ^= mask }()
	f, body, ok := parseFrame(b, salt)
	if !ok || len(body) > maxFlipBody || f.lsn != lsn || earlier(f.epoch, epoch) {
		return flip{}
	}
	return flip{at, f.size}
}

// bitFromEnd returns which bit, counted from the last one, changes the checksum of n bits by wrong; -1 if none alone does.
// The last bit changes it by the polynomial, and each one before by one step of the shift register more.
func bitFromEnd(wrong uint32, n int) int {
	const poly = 0x82F63B78 // CRC-32C, reflected: hash/crc32.Castagnoli
	for back := range n {
		if wrong == poly {
			return back
		}
		if wrong&(1<<31) != 0 {
			wrong = (wrong^poly)<<1 | 1
		} else {
			wrong <<= 1
		}
	}
	return -1
}

// reached reports whether the write of the frame at off has reached its wrong bit.
func (f flip) reached(b []byte, off int, salt uint32, lsn uint64) bool {
	end, at := off+f.size, off+f.at
	next, _, more := parseFrame(b[min(end, len(b)):], salt)
	more = more && next.lsn == lsn+1
	right := 0
	for _, c := range b[at+1 : end] {
		if c != 0 {
			right++
		}
	}
	if right < flipBehind && !more { // it may end in front of it
		return false
	}
	from := at / sectorSize * sectorSize // or may have left its sector out
	number := func(off int) bool { return off+4 >= from && off+16 <= from+sectorSize }
	return number(off) || more && number(end) || min(end, from+sectorSize)-max(off, from) >= flipAround
}
