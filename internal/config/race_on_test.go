//go:build race

package config

// slowdown is by how much the race detector's tests are made smaller: what they look
// for does not need a megabyte.
const slowdown = 16
