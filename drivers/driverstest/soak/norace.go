//go:build !race

package soak

// usual is the number of mutations of a driver's frames in make check.
const usual = 100_000
