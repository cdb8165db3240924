// Package configs holds the example configurations; the demo's is part of the
// program.
package configs

import _ "embed"

// Demo is the configuration of `sensorgate demo`.
//
//go:embed demo.toml
var Demo []byte
