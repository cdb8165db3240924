package web

import (
	"net/http"
	"slices"
	"time"

	"sensorgate/internal/history"
)

// SpoolHistory is how many messages waited for an upstream.
type SpoolHistory struct {
	Upstream string    `json:"upstream"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Every    float64   `json:"every_seconds"` // width of the slots; 0: the points are single values, one a minute
	Points   []Point   `json:"points"`
}

// SpoolSeries is the name under which the gateway keeps how many messages waited.
func SpoolSeries(upstream string) string { return "gateway/upstream/" + upstream + "/waiting" }

// getSpoolHistory reads what the gateway wrote of itself.
func (s *Server) getSpoolHistory(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("upstream")
	if !slices.Contains(s.o.Gateway.Describe().Upstreams, name) {
		return notFound("upstream", name, "GET "+api+"/upstreams")
	}
	store, err := s.store()
	if err != nil {
		return err
	}
	q, err := historyQuery(r, time.Now())
	if err != nil {
		return err
	}
	q.Series = SpoolSeries(name)
	return s.heavyJSON(w, r, func() (any, error) {
		a, err := store.Query(q)
		if err != nil {
			return nil, badRequest(err.Error(), "from=24h")
		}
		return SpoolHistory{Upstream: name, From: q.From, To: q.To, Every: a.Every.Seconds(), Points: points(a)}, nil
	})
}

// points are those of an answer as the API has them.
func points(a history.Answer) []Point {
	out := make([]Point, len(a.Points))
	for i, p := range a.Points {
		out[i] = Point{float64(p.Time) / 1000, p.Min, p.Mean, p.Max, p.Last, float64(p.N)}
	}
	return out
}
