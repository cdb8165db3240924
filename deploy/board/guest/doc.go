// Package guest has tests that run on the virtual board, against the real kernel:
//
//	make board-test
//
// Elsewhere they skip.
package guest
