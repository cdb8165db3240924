// Package example is the worked example of docs/adding-a-driver.md for a chip: the
// NW2210, a thermometer and hygrometer that nobody makes. It is compiled and passes the
// conformance suite like a real one, and is in no table of hardware.
//
// What it takes to add a chip, and where each step stands for a real one:
//
//  1. The driver: nw2210.go here; drivers/i2c/chips/PART.go for a chip of ours. What a
//     family of parts shares stands in a file named after the family.
//  2. The simulator: simulator.go here; drivers/i2c/i2ctest/PART.go for a chip of ours.
//  3. The run of the suite: nw2210_test.go here; a test in drivers/i2c/chips. Reference
//     numbers from the maker (worked examples, the maker's own code) go into
//     drivers/i2c/chips/testdata/vectors.json with their source.
//  4. The table of contents: one name in drivers/i2c/drivers.go.
//  5. How sensorgate scan i2c knows it: an identity in drivers/i2c/scan.go, if it has an
//     id that can be read without writing more than the number of a register.
//  6. The keys: go test ./cmd/sensorgate -run Reference -update writes them into
//     configs/reference.toml.
//  7. The row in docs/hardware.md: addresses, channels, options, and what the numbers were
//     checked against. The tests of package i2c and cmd/sensorgate fail until 6 and 7 are done.
//  8. A line in CHANGELOG.md.
//
// A driver outside this repository needs steps 1 to 3 only: packages bus, chip, i2ctest
// and driverstest are all it imports.
package example
