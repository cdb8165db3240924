//go:build race

package soak

// usual is fewer where the race detector makes everything ten times slower; make check
// runs the soak without it as well.
const usual = 5_000
