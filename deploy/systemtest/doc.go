// Package systemtest tries the package on a whole machine: Debian with systemd on the
// virtual board of deploy/board, with the service as it is shipped and its hardening.
//
//	make system-test
//
// needs the board's set-up (docs/board.md) and some minutes; without the
// build tag system nothing here is compiled.
package systemtest
