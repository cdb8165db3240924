package web

import "net/http"

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status string `json:"status"`          // ok, failing
	Error  string `json:"error,omitempty"` // only for who may view
}

// getHealth is about the gateway's own loops, never about sensors or upstreams: a
// supervisor that restarts the gateway because an upstream is away makes it worse.
func (s *Server) getHealth(w http.ResponseWriter, r *http.Request) error {
	return s.health(w, r, s.o.Gateway.Alive())
}

func (s *Server) getReady(w http.ResponseWriter, r *http.Request) error {
	return s.health(w, r, s.o.Gateway.Ready())
}

func (s *Server) health(w http.ResponseWriter, r *http.Request, err error) error {
	h := Health{Status: "ok"}
	if err != nil {
		h.Status = "failing"
		if whoAsks(r).role >= View {
			h.Error = err.Error()
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	writeJSON(w, h)
	return nil
}
