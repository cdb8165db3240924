package web

import (
	"runtime"
	"strconv"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/history"
	"sensorgate/internal/status"
)

// families are all metrics, made from one snapshot: no lock of a device is taken. Labels
// come from the configuration and from fixed lists only.
func (s *Server) families() []Family {
	snapshot := s.o.Gateway.Snapshot()
	all := allFamilies(&snapshot, s.o.Version, s.hub.Streams())
	if h := s.o.Gateway.History(); h != nil {
		st := h.Stats()
		all = append(all, historyFamilies(&st)...)
	}
	if s.o.Readings {
		all = append(all, s.readings())
	}
	return all
}

func allFamilies(st *status.Snapshot, version string, streams int) []Family {
	all := nodeFamilies(st, version, streams)
	all = append(all, deviceFamilies(st.Devices)...)
	all = append(all, brokerFamilies(&st.Broker)...)
	all = append(all, upstreamFamilies(st.Upstreams)...)
	all = append(all, journalFamilies(&st.Journal)...)
	return append(all, processFamilies()...)
}

// MetricNames are the names of all metrics in the text format, for those who check
// dashboards against them.
func MetricNames() (names []string) {
	all := append(allFamilies(&status.Snapshot{}, "", 0), historyFamilies(&history.Stats{})...)
	for _, f := range append(all, readingFamily()) {
		switch f.Type {
		case "counter":
			f.Name += "_total"
		case "info":
			f.Name += "_info"
		case "histogram":
			names = append(names, f.Name+"_bucket", f.Name+"_sum", f.Name+"_count")
		}
		names = append(names, f.Name)
	}
	return names
}

func gauge(name, help, unit string) Family {
	return Family{Name: "sensorgate_" + name, Help: help, Type: "gauge", Unit: unit}
}

func counter(name, help, unit string) Family {
	return Family{Name: "sensorgate_" + name, Help: help, Type: "counter", Unit: unit}
}

// one is a family with one sample without labels.
func one(f Family, v float64) Family {
	f.Add(v)
	return f
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unixTime(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func nodeFamilies(st *status.Snapshot, version string, streams int) []Family {
	build := Family{Name: "sensorgate_build", Help: "The program.", Type: "info"}
	build.Add(1, "version", version, "go", runtime.Version())
	return []Family{
		build,
		one(gauge("start_timestamp_seconds", "When the gateway was started.", "seconds"), unixTime(st.Started)),
		one(gauge("clock_synced", "1 if the wall clock is set.", ""), truth(st.TimeSynced)),
		one(gauge("config_last_reload_success", "1 if the configuration on the disk is the one that runs, as far as the last reload tells.", ""), truth(st.ConfigErr == "")),
		one(gauge("web_streams", "Event streams that are open.", ""), float64(streams)),
	}
}

func deviceFamilies(devices []status.Device) []Family {
	up := gauge("device_up", "1 if all channels of the device are ok.", "")
	readings := counter("readings", "Readings that the device gave.", "")
	dropped := counter("readings_dropped", "Readings that the broker was too slow for.", "")
	last := gauge("device_last_success_timestamp_seconds", "When the newest value was read.", "seconds")
	polls := counter("device_polls", "How often the device was asked.", "")
	opened := counter("device_opened", "How often the device was opened: at the start and after each loss.", "")
	failed := counter("device_errors", "Errors that the device gave.", "")
	answers := Family{Name: "sensorgate_device_poll_duration_seconds", Help: "How long an answer took.", Type: "histogram", Unit: "seconds"}
	for _, d := range devices {
		up.Add(truth(d.State == "ok"), "device", d.Name)
		readings.Add(float64(d.Readings), "device", d.Name)
		dropped.Add(float64(d.Dropped), "device", d.Name)
		polls.Add(float64(d.Counters.Polls), "device", d.Name)
		opened.Add(float64(d.Counters.Opened), "device", d.Name)
		for i, why := range drivers.Reasons {
			if n := d.Counters.Errors[i]; n > 0 {
				failed.Add(float64(n), "device", d.Name, "reason", string(why))
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
	return []Family{up, readings, dropped, polls, opened, failed, answers, last}
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

func brokerFamilies(b *status.Broker) []Family {
	return []Family{
		one(gauge("broker_clients", "Clients that are connected.", ""), float64(b.Clients)),
		one(gauge("broker_subscriptions", "Subscriptions of all sessions.", ""), float64(b.Subscriptions)),
		one(gauge("broker_retained_messages", "Retained messages.", ""), float64(b.Retained)),
		one(counter("broker_received", "Messages that clients and devices published.", ""), float64(b.Received)),
		one(counter("broker_sent", "Messages that were sent to subscribers.", ""), float64(b.Sent)),
		one(counter("broker_dropped", "Messages that a subscriber was too slow or too full for.", ""), float64(b.Dropped)),
	}
}

func upstreamFamilies(upstreams []status.Upstream) []Family {
	up := gauge("bridge_up", "1 if the upstream is connected.", "")
	sent := counter("bridge_acked", "Messages that the upstream acknowledged.", "")
	received := counter("bridge_received", "Messages that came from the upstream.", "")
	ignored := counter("bridge_ignored", "Messages from the upstream that were not taken: echoes, loops, stale commands.", "")
	waiting := gauge("spool_messages", "Messages that wait for the upstream.", "")
	bytes := gauge("spool_bytes", "Bytes that wait for the upstream.", "bytes")
	dropped := counter("spool_dropped", "Messages that the spool could not keep.", "")
	oldest := gauge("bridge_backlog_oldest_timestamp_seconds", "Time of the oldest message that waits.", "seconds")
	for _, u := range upstreams {
		up.Add(truth(u.Connected), "upstream", u.Name)
		sent.Add(float64(u.Sent), "upstream", u.Name)
		received.Add(float64(u.Received), "upstream", u.Name)
		ignored.Add(float64(u.Ignored), "upstream", u.Name)
		waiting.Add(float64(u.Waiting), "upstream", u.Name)
		bytes.Add(float64(u.WaitingBytes), "upstream", u.Name)
		dropped.Add(float64(u.Dropped), "upstream", u.Name)
		if !u.Oldest.IsZero() {
			oldest.Add(unixTime(u.Oldest), "upstream", u.Name)
		}
	}
	return []Family{up, sent, received, ignored, waiting, bytes, dropped, oldest}
}

func journalFamilies(j *status.Journal) []Family {
	return []Family{
		one(gauge("journal_up", "1 if the journal takes records.", ""), truth(j.Error == "")),
		one(gauge("journal_records", "Records that wait for somebody.", ""), float64(j.Records)),
		one(gauge("journal_bytes", "Bytes of those records.", "bytes"), float64(j.Bytes)),
		one(counter("journal_written_bytes", "Bytes written to the disk since the start.", ""), float64(j.BytesWritten)),
		one(counter("journal_syncs", "Syncs since the start.", ""), float64(j.Syncs)),
		one(counter("journal_damaged_records", "Records lost to damage of the store.", ""), float64(j.Damaged)),
	}
}

func historyFamilies(st *history.Stats) []Family {
	oldest := gauge("history_oldest_timestamp_seconds", "How far back a tier of the history reaches.", "seconds")
	for _, t := range st.Oldest {
		if !t.From.IsZero() {
			oldest.Add(unixTime(t.From), "tier", t.Tier)
		}
	}
	return []Family{
		one(gauge("history_up", "1 if the history is written.", ""), truth(st.Problem == nil)),
		one(gauge("history_disk_bytes", "What the history takes on the disk.", "bytes"), float64(st.DiskBytes)),
		one(gauge("history_memory_bytes", "Values that wait for the disk.", "bytes"), float64(st.MemoryBytes)),
		one(counter("history_lost", "Values that gave way before they were written.", ""), float64(st.Lost)),
		one(counter("history_damaged_chunks", "Parts of the history that could not be read.", ""), float64(st.Damaged)),
		oldest,
	}
}
