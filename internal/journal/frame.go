package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"sensorgate/internal/varint"
)

// A frame is the unit of the log: one record, one entry, one queue's state.
//
//	len u32 | crc u32 | lsn u64 | back u32 | epoch^salt u32 | body (len bytes) | padding to 8
//
// Integers are little-endian. lsn numbers the frames of the log without a hole, so
// that damage can be counted. back is lsn minus the highest lsn that was on disk
// when this frame was written: it tells a damaged frame (a later frame knows that
// it had been durable) from a torn tail. epoch grows with every open and every
// failed write: what an earlier attempt left behind the tail is never believed.
// The checksum is CRC-32C over everything but itself, started from the store's
// secret salt, so that no payload can contain a frame that this store would accept;
// the salt on the epoch makes looking for the next frame behind a damaged one cheap.
const (
	frameHeader = 24
	frameAlign  = 8
	// maxBody keeps a data length within the 24 bits of a location.
	maxBody = 1<<24 - 1
	// maxFrameBody leaves room for what stands before the data.
	maxFrameBody = maxBody + 1<<20
)

type frameKind byte

const (
	kindRecord     frameKind = 1 + iota
	kindPut                  // newest value of a key
	kindDelete               // a key is gone
	kindQueue                // definition and position of a queue, cumulative
	kindDrop                 // a queue is gone
	kindReserve              // how far Seqs and queue ids may have been handed out
	kindSeal                 // last frame of a full segment
	kindClose                // clean end; its back says that all before it was durable
	kindCheckpoint           // the states of all queues stand before it (format 2)
	kindMark                 // nothing is new; its back says that all before it was durable (format 2)
	kindEnd                  // one more than the last
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errFrame = errors.New("frame is damaged")

// frameInfo is a checked frame's header.
type frameInfo struct {
	lsn     uint64
	durable uint64 // highest lsn on disk when this frame was written
	epoch   uint32
	size    int // with header and padding
}

func frameSize(body int) int {
	return (frameHeader + body + frameAlign - 1) &^ (frameAlign - 1)
}

func frameCRC(salt uint32, b []byte, body int) uint32 {
	c := crc32.Update(salt, castagnoli, b[0:4])
	return crc32.Update(c, castagnoli, b[8:frameHeader+body])
}

// sealFrame fills the header of the frame that is b, whose body is in place.
func sealFrame(b []byte, body int, f frameInfo, salt uint32) {
	back := min(f.lsn-f.durable, 1<<32-1)
	binary.LittleEndian.PutUint32(b[0:], uint32(body))
	binary.LittleEndian.PutUint64(b[8:], f.lsn)
	binary.LittleEndian.PutUint32(b[16:], uint32(back))
	binary.LittleEndian.PutUint32(b[20:], f.epoch^salt)
	binary.LittleEndian.PutUint32(b[4:], frameCRC(salt, b, body))
}

// frameLen returns the size of the frame at the start of b as it says itself,
// unchecked; 0 if that cannot be.
func frameLen(b []byte) int {
	n := binary.LittleEndian.Uint32(b)
	if n < 1 || n > maxFrameBody {
		return 0
	}
	return frameSize(int(n))
}

// peekFrame reads a header without checking anything.
func peekFrame(b []byte, salt uint32) (f frameInfo) {
	f.lsn = binary.LittleEndian.Uint64(b[8:])
	back := uint64(binary.LittleEndian.Uint32(b[16:]))
	f.durable = f.lsn - min(back, f.lsn)
	f.epoch = binary.LittleEndian.Uint32(b[20:]) ^ salt
	f.size = frameLen(b)
	return f
}

// parseFrame checks the frame at the start of b.
func parseFrame(b []byte, salt uint32) (f frameInfo, body []byte, ok bool) {
	if len(b) < frameHeader {
		return f, nil, false
	}
	f = peekFrame(b, salt)
	n := int(binary.LittleEndian.Uint32(b))
	if f.size == 0 || len(b) < f.size || frameCRC(salt, b, n) != binary.LittleEndian.Uint32(b[4:]) {
		return f, nil, false
	}
	return f, b[frameHeader : frameHeader+n], true
}

// recordBody is a kindRecord body, taken apart.
type recordBody struct {
	seq  Seq
	time int64
	ids  varint.Reader // n numbers
	n    int
	data []byte
}

func appendRecordBody(b []byte, seq Seq, at int64, ids []uint32, data []byte) []byte {
	b = append(b, byte(kindRecord))
	b = binary.AppendUvarint(b, uint64(seq))
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return append(b, data...)
}

func parseRecordBody(body []byte) (recordBody, error) {
	r := varint.NewReader(body[1:])
	var rec recordBody
	rec.seq = Seq(r.Uvarint())
	if at := r.Take(8); at != nil {
		rec.time = int64(binary.LittleEndian.Uint64(at))
	}
	rec.n = r.Count(1)
	rec.ids = r
	for range rec.n {
		r.Uvarint()
	}
	if r.Failed() {
		return rec, errFrame
	}
	rec.data = r.Rest()
	return rec, nil
}

func appendPutBody(b []byte, key string, value []byte) []byte {
	b = append(b, byte(kindPut))
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	return append(b, value...)
}

func parsePutBody(body []byte) (key string, value []byte, err error) {
	r := varint.NewReader(body[1:])
	key = string(r.Bytes())
	if r.Failed() {
		return "", nil, errFrame
	}
	return key, r.Rest(), nil
}
