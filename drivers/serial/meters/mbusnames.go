package meters

import "sensorgate/drivers"

// MBusRecords are the quantities that M-Bus records can have after EN 13757-3, with the
// names to write in the file. A record's own name may have parts behind it (phase,
// maximum, storage, tariff), which docs/serial.md lists.
func MBusRecords() []drivers.Channel {
	seen := map[string]bool{}
	var list []drivers.Channel
	for _, table := range [][]mbusRange{mbusPrimary, mbusFB, mbusFD} {
		for _, row := range table {
			if !seen[row.unit.name] {
				seen[row.unit.name] = true
				list = append(list, drivers.Channel{Name: row.unit.name, Unit: row.unit.unit})
			}
		}
	}
	return list
}
