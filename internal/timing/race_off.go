//go:build !race

package timing

// Race is true under the race detector, which makes everything about ten times slower and
// keeps shadow memory: neither times nor resident memory then say anything of us.
const Race = false
