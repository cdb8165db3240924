// Package meters decodes the protocols that meters and instruments speak on serial lines:
// sml and d0 (electricity), mbus (heat, water, gas, electricity), teleinfo (France) and nmea
// (GNSS receivers, weather stations, boats). It is the layer above package framing, which
// finds the frames, and package serial, which owns the ports.
//
// A decoder is a framing.Decoder, a pure function of one frame. obis.go sorts values with
// OBIS codes into channels, for sml and d0; mbusrecord.go reads the records of EN 13757-3.
// What listens is a device of package framing; d0 in mode C and mbus ask in several steps
// and have devices of their own.
//
// Nothing here survives a power cut. docs/serial.md says what is decoded and what is not.
package meters
