package drivers

import "time"

// BusCounters are what the owner of one bus has counted: a wire, an adapter or a
// connection that several devices may share.
type BusCounters struct {
	Bus     string        // as in the configuration: the name of a table, a port, "i2c-1", "spi-0"
	Busy    time.Duration // that it was at work for a device; a device that speaks by itself costs none
	Reopens uint64        // how often it was opened again: it was lost, or it hung
}
