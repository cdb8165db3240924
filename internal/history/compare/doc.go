// Package compare holds no code, only a test that measures the history against SQLite in
// one run: the same day of values, what each writes to the block device, how large each
// is, how quickly each answers. It is a module of its own: SQLite is not a dependency of
// the gateway. `make history-compare DIR=/on/the/card`; docs/benchmarks.md has the figures.
package compare
