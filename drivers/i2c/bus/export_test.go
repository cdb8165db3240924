package bus

import (
	"log/slog"
	"time"
)

// What bus_test.go must see of the package. It stands outside, as package i2ctest, which
// it uses, imports this one.

var (
	ErrStopped  = errStopped
	ExplainOpen = explainOpen
	OpenDevice  = openDevice
)

const RecoverEvery = time.Duration(recoverEvery)

// NewIn makes buses on a fixture of /sys.
func NewIn(log *slog.Logger, open Opener, sysfs string) *Buses { return newBuses(log, open, sysfs) }

// AdaptersIn lists the adapters of a fixture of /sys.
func AdaptersIn(root string) ([]Adapter, error) { return sysfs(root).adapters() }

// NumberIn returns the number of the adapter with this name.
func NumberIn(root, name string) (int, error) { return sysfs(root).number(name) }

// NewAsking is NewIn with a folder in which the reset of an adapter is asked for.
func NewAsking(log *slog.Logger, open Opener, sysfs, folder string) *Buses {
	b := newBuses(log, open, sysfs)
	b.asks = folder
	return b
}
