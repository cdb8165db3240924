// Package mapping turns readings into messages and messages into commands:
// filters, topic templates, payloads. It is pure: time comes in as an argument,
// nothing goes out but values, so that every rule can be tested as a table.
package mapping
