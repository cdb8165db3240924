package web

import (
	"context"
	"net/http"
)

// Machine is the board, and what could be connected to it.
type Machine interface {
	// Doctor looks at the machine; it takes up to some seconds and has its last answer ready
	// for a minute.
	Doctor(ctx context.Context) ([]Finding, error)
	// Models are those with word in name, title, driver or a channel; "" is all.
	Models(word string) []Model
	// Model is the one of that name, with its text.
	Model(name string) (Model, bool)
}

// Finding is one line of the doctor.
type Finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"` // ok, note, wrong, skipped
	What    string `json:"what"`
	Try     string `json:"try,omitempty"`
}

// Model is a template of a device.
type Model struct {
	Name     string   `json:"name"`
	Driver   string   `json:"driver"`
	Title    string   `json:"title"`
	Tested   string   `json:"tested"`
	Sources  []string `json:"sources,omitempty"`
	Channels []string `json:"channels"`
	Text     string   `json:"text,omitempty"` // of one model alone
}

func (s *Server) machineTable() []route {
	return []route{
		{"GET", api + "/doctor", Operate, s.getDoctor, "what is wrong with the machine, and what to try", nil, nil, []Finding{}, ""},
		{"GET", api + "/models", View, s.getModels, "templates of devices", []param{{"search", "only those with this word in name, title, driver or a channel", "query"}}, nil, []Model{}, ""},
		{"GET", api + "/models/{maker}/{model}", View, s.getModel, "one template with its text", []param{{"maker", "first part of its name", "path"}, {"model", "second part", "path"}}, nil, Model{}, ""},
	}
}

func (s *Server) getDoctor(w http.ResponseWriter, r *http.Request) error {
	found, err := s.o.Machine.Doctor(r.Context())
	if err == nil {
		writeJSON(w, found)
	}
	return err
}

func (s *Server) getModels(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, s.o.Machine.Models(r.URL.Query().Get("search")))
	return nil
}

func (s *Server) getModel(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("maker") + "/" + r.PathValue("model")
	m, ok := s.o.Machine.Model(name)
	if !ok {
		return problem(http.StatusNotFound, "no such model", name, "GET "+api+"/models")
	}
	writeJSON(w, m)
	return nil
}
