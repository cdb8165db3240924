// Package config turns TOML files into a checked, immutable Config, and reports
// all faults of all files in one run, each with its place and what to type instead.
//
// What is true of any TOML file (places, types, suggestions, schema) is done by
// internal/toml; here are sensorgate's tables, one file per table (broker.go, device.go,
// bridge.go, …), each a struct with tags and the checks that go beyond one key. Drivers'
// options are such structs too: they come with the Catalogue, and nothing here knows them.
//
// Load opens no hardware and no network; it reads the configuration files, the
// files beside them, and the host name. Nothing later reads the file again, except
// that a Secret is read when it is used.
package config
