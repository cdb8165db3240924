// Package mapping turns readings into messages and messages into commands:
// filters, topic templates, payloads. It is pure: time comes in as an argument,
// nothing goes out but values, so that every rule can be tested as a table.
//
// A Device is plain data from the configuration. A Mapper is a Device with the
// memory of its filters (the last values of a median, what was published last), and
// belongs to one goroutine. Nothing here survives a restart: after one, the first
// reading of each channel is published whatever its deadband says.
package mapping
