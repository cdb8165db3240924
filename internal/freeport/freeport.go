// Package freeport finds ports for programs that tests start and cannot give port 0 to.
package freeport

import (
	"net"
	"testing"
)

// Port returns a TCP port of 127.0.0.1 on which nobody listens. Somebody else may take it before
// it is used, which the kernel makes unlikely: it hands out others first.
func Port(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
