// Package history keeps what was measured, so that a gateway can say how the day went:
// every published value for about two days (raw), minimum, mean, maximum and last of
// every minute for two weeks (minutes) and of every quarter of an hour for a year
// (quarters). States keep every change; totals keep the last value of each slot.
//
// Nouns: a Store is one history in one directory. A series is one channel,
// "device/channel". A point is one value at one time. A slot is the summary of the
// points of a minute or a quarter. A chunk is the encoded points or slots of one series;
// a frame is what one write puts on the disk: chunks of many series, ordered by series.
// A tier is raw, minutes or quarters; each has segments, files of a fixed size, of its own.
//
// The way of a value:
//
//	Add → the open block, in memory       12 bytes a point, until Options.Flush has passed
//	    → a frame of the raw tier         one write and one sync for all series
//	    → a frame of minutes              every two hours, read back from raw frames
//	    → a frame of quarters             once a day, read back from frames of minutes
//
// The coarser tiers are made from what is on the disk, not from sums in memory: a start
// after a power cut goes on where the frames end, by the same code. A query reads the
// tier that its resolution needs, and for the newest part, which is not rolled up yet,
// the finer tiers and the open block.
//
// Who runs: Run writes frames and rolls up, on one goroutine. Add and Query may be
// called by anybody; Add never waits for the disk.
//
// What survives: kill -9 and a power cut cost the open block, at most Options.Flush of
// values; a clean stop costs nothing. A frame that was not written whole is not there. A
// damaged chunk costs the points in it, counted. Nothing on the disk can keep a Store
// from opening: what cannot be read is used again.
//
// When something is slow or full: a disk that is slow delays the next frame; a disk that
// is full, or fails, leaves the points in memory, where the oldest give way, counted,
// until the disk takes them again. When Options.Size is reached, the oldest raw segment
// is used again, then the oldest of minutes, then of quarters; Stats reports how far
// back each tier reaches.
//
// What is not done: no fsync per value, no deletion of single values, no query language.
package history
