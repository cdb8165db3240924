package modbus

import "embed"

// Models are device tables for meters that people have: the name of one is its path
// below models without .toml.
//
//go:embed all:models
var Models embed.FS
