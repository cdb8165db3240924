// Package e2e has the end-to-end tests: they build the real binary, start it with a
// configuration, and meet it as its users do, with serial lines on ptys, Debian's
// mosquitto as upstream, and other people's MQTT clients.
package e2e
