package chips

import "sensorgate/drivers"

func particles(mass ...string) []drivers.Channel {
	var all []drivers.Channel
	for _, name := range mass {
		all = append(all, drivers.Channel{Name: name, Unit: "µg/m³", Min: 0, Max: 6553.5})
	}
	return all
}
