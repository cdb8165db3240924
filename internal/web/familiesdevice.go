package web

import (
	"strconv"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/status"
)

func deviceFamilies(devices []status.Device) []Family {
	up := gauge("device_up", "1 if all channels of the device are ok.", "")
	readings := counter("readings", "Readings that the device gave.", "")
	dropped := counter("readings_dropped", "Readings that the broker was too slow for.", "")
	rejected := counter("readings_rejected", "Readings that were not passed on: outside their range, or no number.", "")
	last := gauge("device_last_success_timestamp_seconds", "When the newest value was read.", "seconds")
	polls := counter("device_polls", "How often the device was asked.", "")
	reopens := counter("device_reopens", "How often the device was opened again: it was lost, or failed.", "")
	failed := counter("device_errors", "Errors that the device gave.", "")
	answers := Family{Name: "sensorgate_device_poll_duration_seconds", Help: "How long an answer took.", Type: "histogram", Unit: "seconds"}
	for _, d := range devices {
		up.Add(truth(d.State == "ok"), "device", d.Name)
		readings.Add(float64(d.Readings), "device", d.Name)
		dropped.Add(float64(d.Dropped), "device", d.Name)
		polls.Add(float64(d.Counters.Polls), "device", d.Name)
		reopens.Add(float64(max(d.Counters.Opened, 1)-1), "device", d.Name)
		for i, why := range drivers.Reasons {
			if n := d.Counters.Errors[i]; n > 0 {
				failed.Add(float64(n), "device", d.Name, "reason", string(why))
			}
		}
		for i, why := range drivers.AllRejected {
			if n := d.Counters.Refused[i]; n > 0 {
				rejected.Add(float64(n), "device", d.Name, "reason", string(why))
			}
		}
		addAnswers(&answers, d.Name, &d.Counters)
		var newest time.Time
		for _, c := range d.Channels {
			if c.Time.After(newest) {
				newest = c.Time
			}
		}
		if !newest.IsZero() {
			last.Add(unixTime(newest), "device", d.Name)
		}
	}
	return []Family{up, readings, dropped, rejected, polls, reopens, failed, answers, last}
}

func busFamilies(buses []drivers.BusCounters) []Family {
	busy := counter("bus_busy_seconds", "Time that a wire or an adapter was at work for a device.", "seconds")
	reopens := counter("bus_reopens", "How often a port or an adapter was opened again: it was lost, or hung.", "")
	for _, b := range buses {
		busy.Add(b.Busy.Seconds(), "bus", b.Bus)
		reopens.Add(float64(b.Reopens), "bus", b.Bus)
	}
	return []Family{busy, reopens}
}

// addAnswers adds the histogram of one device; one that is never asked has none.
func addAnswers(f *Family, device string, c *drivers.Counters) {
	if c.Polls == 0 {
		return
	}
	sum := uint64(0)
	for i, n := range c.Answers {
		sum += n
		limit := "+Inf"
		if i < len(drivers.AnswerLimits) {
			limit = strconv.FormatFloat(drivers.AnswerLimits[i].Seconds(), 'g', -1, 64)
		}
		f.Samples = append(f.Samples, Sample{"_bucket", []string{"device", device, "le", limit}, float64(sum)})
	}
	f.Samples = append(f.Samples,
		Sample{"_sum", []string{"device", device}, c.Asked.Seconds()},
		Sample{"_count", []string{"device", device}, float64(sum)})
}

// readings are the newest values; those of a device that is not ok are left out.
func (s *Server) readings() Family {
	f := readingFamily()
	for _, d := range s.devices() {
		for _, c := range d.Channels {
			if c.Stale {
				continue
			}
			v, ok := c.Value.(status.Value)
			if !ok {
				continue
			}
			if n, is := v.Number(); is {
				f.Add(n, "device", d.Name, "channel", c.Name, "unit", c.Unit)
			} else if b, is := v.Bool(); is {
				f.Add(truth(b), "device", d.Name, "channel", c.Name, "unit", c.Unit)
			}
		}
	}
	return f
}

func readingFamily() Family { return gauge("reading", "Newest value of a channel, in its unit.", "") }
