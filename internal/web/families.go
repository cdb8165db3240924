package web

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"sensorgate/internal/status"
)

// families are all metrics, made from one snapshot: no lock of a device is taken. Labels
// come from the configuration and from fixed lists only.
func (s *Server) families() []Family {
	snapshot := s.o.Gateway.Snapshot()
	all := allFamilies(&snapshot, s.o.Version)
	all = append(all, s.webFamilies()...)
	if h := s.o.Gateway.History(); h != nil {
		st := h.Stats()
		all = append(all, historyFamilies(&st)...)
	}
	if s.o.Readings {
		all = append(all, s.readings())
	}
	return all
}

func allFamilies(st *status.Snapshot, version string) []Family {
	all := nodeFamilies(st, version)
	all = append(all, deviceFamilies(st.Devices)...)
	all = append(all, busFamilies(st.Counts.Buses)...)
	all = append(all, brokerFamilies(&st.Broker, &st.Counts.Broker)...)
	all = append(all, budgetFamilies(&st.Broker)...)
	all = append(all, upstreamFamilies(st.Upstreams)...)
	all = append(all, journalFamilies(&st.Journal, &st.Counts.Journal)...)
	return append(all, processFamilies()...)
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

func nodeFamilies(st *status.Snapshot, version string) []Family {
	build := Family{Name: "sensorgate_build", Help: "The program.", Type: "info"}
	build.Add(1, "version", version, "revision", revision(version), "go", runtime.Version())
	commands := counter("commands", "Commands to devices, by what became of them.", "")
	for _, result := range []string{"done", "refused", "failed", "timeout"} {
		commands.Add(float64(st.Counts.Commands[result]), "result", result)
	}
	reloads := counter("config_reloads", "Reloads of the configuration.", "")
	reloads.Add(float64(st.Counts.Reloads[0]), "result", "refused")
	reloads.Add(float64(st.Counts.Reloads[1]), "result", "applied")
	reloaded := gauge("config_last_reload_timestamp_seconds", "When the configuration was last reloaded, or that was tried.", "seconds")
	if !st.Counts.Reloaded.IsZero() {
		reloaded.Add(unixTime(st.Counts.Reloaded))
	}
	ends := gauge("certificate_expiry_timestamp_seconds", "When the certificate of a listener ends, as it is on the disk.", "seconds")
	for _, file := range slices.Sorted(maps.Keys(st.Counts.Certificates)) {
		ends.Add(unixTime(st.Counts.Certificates[file]), "file", file)
	}
	return []Family{
		build,
		one(gauge("start_time_seconds", "When the gateway was started.", "seconds"), unixTime(st.Started)),
		one(gauge("clock_synced", "1 if the wall clock is set.", ""), truth(st.TimeSynced)),
		one(gauge("config_last_reload_success", "1 if the configuration on the disk is the one that runs, as far as the last reload tells.", ""), truth(st.ConfigErr == "")),
		reloads, reloaded, commands, ends,
	}
}

// revision is the commit in a version that deploy/version.sh made, v1.2.3+TIME.COMMIT; a
// release is its tag.
func revision(version string) string {
	_, build, _ := strings.Cut(version, "+")
	_, commit, _ := strings.Cut(build, ".")
	return commit
}

func (s *Server) webFamilies() []Family {
	refused := counter("web_refused", "Connections and requests that were refused.", "")
	for why := notRefused + 1; why < refusals; why++ {
		refused.Add(float64(s.counts.refused[why].Load()), "reason", refusalNames[why])
	}
	return []Family{
		one(gauge("web_connections", "HTTP connections that are open.", ""), float64(s.conns.open())),
		one(gauge("web_streams", "Event streams that are open.", ""), float64(s.hub.Streams())),
		one(gauge("web_logins", "Browsers that somebody is logged in with.", ""), float64(s.logins.open())),
		one(counter("web_requests", "HTTP requests.", ""), float64(s.counts.requests.Load())),
		one(counter("web_slowed_requests", "HTTP requests that had to wait, because they came without a pause.", ""), float64(s.counts.slowed.Load())),
		refused,
	}
}
