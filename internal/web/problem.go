package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"sensorgate/internal/config"
)

// Problem is an error as the API answers it (RFC 9457, application/problem+json).
type Problem struct {
	Title  string `json:"title"`            // what
	Status int    `json:"status"`           // of HTTP
	Detail string `json:"detail,omitempty"` // where, and what was found
	Try    string `json:"try,omitempty"`    // what to do

	// Problems are the faults of a configuration, with their places.
	Problems config.Problems `json:"problems,omitempty"`

	why refusal
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

func problem(status int, title, detail, try string) *Problem {
	return &Problem{Title: title, Status: status, Detail: detail, Try: try}
}

func notFound(what, name, try string) *Problem {
	return problem(http.StatusNotFound, "no such "+what, what+" "+name+" is not in the configuration", try)
}

func badRequest(detail, try string) *Problem {
	return problem(http.StatusBadRequest, "the request cannot be understood", detail, try)
}

// writeProblem answers with err, which is a *Problem or becomes one.
func writeProblem(w http.ResponseWriter, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = problem(http.StatusInternalServerError, "the gateway could not do it", err.Error(), "sensorgate status, or its log")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // an error is one of the connection
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error is one of the connection
}
