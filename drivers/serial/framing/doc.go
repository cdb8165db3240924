// Package framing makes frames out of bytes, and readings out of frames that the
// configuration describes. It is the layer between package serial, which owns the ports,
// and package meters, whose protocols have decoders of their own.
//
// The nouns: a Cutter finds frames; Framer is the buffer around it, with the time of
// every byte; a Decoder takes values out of a frame into Results. Open puts them on a
// wire: the device listens (stream) or is asked (Dialogue). Framing and Text are the
// options with which drivers frames and lines describe a device in the file; package
// field takes the single values.
//
// A driver of another package, or of another module, uses the same parts: Open with a
// Framer and a Decoder is a whole device. docs/adding-a-driver.md has one worked through.
//
// Whoever is slow: a device that listens and is not read from loses the oldest bytes,
// and a fault says how many. Nothing here survives a power cut.
package framing
