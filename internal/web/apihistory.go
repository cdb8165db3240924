package web

import (
	"net/http"
	"sort"
	"strconv"
	"time"

	"sensorgate/internal/history"
)

// History is a part of one channel's history.
type History struct {
	Device  string       `json:"device"`
	Channel string       `json:"channel"`
	Unit    string       `json:"unit,omitempty"`
	Kind    string       `json:"kind"` // number, total, state
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Every   float64      `json:"every_seconds"` // width of the slots; 0: the points are single values
	Points  []Point      `json:"points"`        // nothing stands where nothing was measured
	States  []StateSince `json:"states"`        // of a state channel; the first may lie before from: it held then
	Gaps    []StateSince `json:"gaps"`          // states of the channel that explain where values are missing
	Cut     bool         `json:"cut,omitempty"` // more states than fit: the newest are here
	Damaged int          `json:"damaged,omitempty"`
}

// Point is one value, or a slot of them: the time of its start, in seconds since 1970,
// minimum, mean, maximum, last value, and how many they were. As an array, since an
// answer has thousands.
type Point [6]float64

// StateSince is a state from a time on.
type StateSince struct {
	Time  time.Time `json:"time"`
	State string    `json:"state"`
}

// HistoryInfo is how the history does.
type HistoryInfo struct {
	Kept        bool        `json:"kept"`
	Series      int         `json:"series"`
	DiskBytes   int64       `json:"disk_bytes"`
	DiskLimit   int64       `json:"disk_limit_bytes"`
	MemoryBytes int64       `json:"memory_bytes"`
	Tiers       []TierReach `json:"tiers"`
	Lost        uint64      `json:"lost"`
	Damaged     uint64      `json:"damaged"`
	Error       string      `json:"error,omitempty"`
	ClockWaits  bool        `json:"clock_waits"` // times are provisional until the clock is set
}

// TierReach is how far back a tier reaches.
type TierReach struct {
	Tier  string     `json:"tier"` // raw, minutes, quarters
	From  *time.Time `json:"from,omitempty"`
	Bytes int64      `json:"bytes"`
}

// StateSeries is the name under which the states of a channel are kept; without a
// channel, those of the device.
func StateSeries(device, channel string) string { return device + "/" + channel + "#state" }

func (s *Server) store() (*history.Store, error) {
	h := s.o.Gateway.History()
	if h == nil {
		return nil, problem(http.StatusNotFound, "no history is kept", "[history] is off", "in the configuration: [history]")
	}
	return h, nil
}

func (s *Server) getHistory(w http.ResponseWriter, r *http.Request) error {
	store, err := s.store()
	if err != nil {
		return err
	}
	c, err := s.channel(r)
	if err != nil {
		return err
	}
	q, err := historyQuery(r, time.Now())
	if err != nil {
		return err
	}
	return s.heavyJSON(w, r, func() (any, error) { return historyOf(store, q, c) })
}

func historyOf(store *history.Store, q history.Query, c Channel) (any, error) {
	q.Series = c.Device + "/" + c.Name
	a, err := store.Query(q)
	if err != nil {
		return nil, badRequest(err.Error(), "from=24h")
	}
	gaps, err := gapsOf(store, q, c.Device, c.Name)
	if err != nil {
		return nil, err
	}
	return History{
		Device: c.Device, Channel: c.Name, Unit: c.Unit, Kind: a.Kind.String(), From: q.From, To: q.To,
		Every: a.Every.Seconds(), Points: points(a), States: sinces(a.Changes), Gaps: gaps,
		Cut: a.Cut, Damaged: a.Damaged,
	}, nil
}

// gapsOf are the states of a channel and of its device in a range, together in order.
func gapsOf(store *history.Store, q history.Query, device, channel string) ([]StateSince, error) {
	q.Every = 0
	var all []history.Change
	for _, series := range []string{StateSeries(device, channel), StateSeries(device, "")} {
		q.Series = series
		a, err := store.Query(q)
		if err != nil {
			return nil, err
		}
		all = append(all, a.Changes...)
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].Time < all[k].Time })
	return sinces(all), nil
}

func sinces(changes []history.Change) []StateSince {
	out := make([]StateSince, len(changes))
	for i, c := range changes {
		out[i] = StateSince{time.UnixMilli(c.Time).UTC(), c.State}
	}
	return out
}

// historyQuery reads the range from the request.
func historyQuery(r *http.Request, now time.Time) (q history.Query, err error) {
	v := r.URL.Query()
	q.To = now
	if text := v.Get("to"); text != "" {
		if q.To, err = time.Parse(time.RFC3339, text); err != nil {
			return q, badRequest("to="+text, "to=2026-11-30T08:00:00Z")
		}
	}
	q.From = q.To.Add(-24 * time.Hour)
	if text := v.Get("from"); text != "" {
		if q.From, err = fromTime(text, q.To); err != nil {
			return q, err
		}
	}
	if text := v.Get("every"); text != "" {
		if q.Every, err = time.ParseDuration(text); err != nil || q.Every < time.Second {
			return q, badRequest("every="+text, "every=1m, one second at least")
		}
	}
	if text := v.Get("max"); text != "" {
		if q.Max, err = strconv.Atoi(text); err != nil || q.Max < 2 || q.Max > history.MaxPoints {
			return q, badRequest("max="+text, "max=2 to max="+strconv.Itoa(history.MaxPoints))
		}
	}
	if text := v.Get("zone"); text != "" {
		zone, err := time.LoadLocation(text)
		if err != nil {
			return q, badRequest("zone="+text+": "+err.Error(), "zone=Europe/Berlin")
		}
		// The zone's offset at the end of the range: a day in which it changes begins an hour off.
		_, offset := q.To.In(zone).Zone()
		q.Offset = -time.Duration(offset) * time.Second
	}
	return q, nil
}

// fromTime reads a time, or a duration before to: 24h, 7d.
func fromTime(text string, to time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := Span(text)
	if err != nil {
		return to, badRequest("from="+text, "from=24h, from=7d or from=2026-11-30T08:00:00Z")
	}
	return to.Add(-d), nil
}

// Span reads a duration that may be in days: 7d, 24h, 90m.
func Span(text string) (time.Duration, error) {
	if n := len(text); n > 1 && text[n-1] == 'd' {
		days, err := strconv.ParseFloat(text[:n-1], 64)
		if err == nil && days > 0 && days < 10000 {
			return time.Duration(days * 24 * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		return 0, badRequest(text+" is not a positive duration", "24h")
	}
	return d, err
}

func (s *Server) getHistoryInfo(w http.ResponseWriter, _ *http.Request) error {
	h := s.o.Gateway.History()
	if h == nil {
		writeJSON(w, HistoryInfo{Tiers: []TierReach{}})
		return nil
	}
	st := h.Stats()
	info := HistoryInfo{
		Kept: true, Series: st.Series, DiskBytes: st.DiskBytes, DiskLimit: st.DiskLimit, MemoryBytes: st.MemoryBytes,
		Lost: st.Lost, Damaged: st.Damaged, ClockWaits: st.ClockWaits,
	}
	if st.Problem != nil {
		info.Error = st.Problem.Error()
	}
	for _, t := range st.Oldest {
		reach := TierReach{Tier: t.Tier, Bytes: t.Size}
		if !t.From.IsZero() {
			reach.From = &t.From
		}
		info.Tiers = append(info.Tiers, reach)
	}
	writeJSON(w, info)
	return nil
}

// getHistoryCSV streams everything; the deadline moves with every series.
func (s *Server) getHistoryCSV(w http.ResponseWriter, r *http.Request) error {
	store, err := s.store()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="sensorgate-history.csv"`)
	rc := http.NewResponseController(w)
	if err := s.heavy.enter(r.Context()); err != nil {
		return err
	}
	defer s.heavy.leave()
	err = store.Export(placeWriter{w, s.heavy}, func(int, int) { _ = rc.SetWriteDeadline(time.Now().Add(30 * time.Second)) }) // never fails on a connection of net/http
	if err != nil {
		s.log.Debug("export ended early", "err", err)
	}
	return nil
}
