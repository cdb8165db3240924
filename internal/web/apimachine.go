package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sensorgate/internal/confd"
	"sensorgate/internal/status"
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

	StartScan(ScanBody) error // ErrScanRuns, or what is wrong with the body
	Scan() ScanState          // the one that runs, or the last
	StopScan()
	// Preview opens the devices that a text for a file adds, reads them once and closes them.
	Preview(ctx context.Context, file, text string) ([]Preview, error)
}

// ErrScanRuns means that one scan or trial runs already.
var ErrScanRuns = errors.New("a scan, a trial or a reload runs already")

// ScanBody says what to look for.
type ScanBody struct {
	Kinds []string `json:"kinds,omitempty"` // serial, i2c, spi, w1, gpio, modbus; none: all but modbus
	Port  string   `json:"port,omitempty"`  // for modbus: a path, an adapter's numbers, tcp://host:port
	Lines string   `json:"lines,omitempty"` // for modbus: "9600 8N1,19200 8E1"; default: the usual ones
	Units string   `json:"units,omitempty"` // for modbus: "1-10,100"; default 1-32, over TCP the usual ones
}

// ScanState is how far a scan is, and what it has found.
type ScanState struct {
	Running bool        `json:"running"`
	Started time.Time   `json:"started"`
	Kind    string      `json:"kind,omitempty"`
	What    string      `json:"what,omitempty"` // that is asked now
	Done    int         `json:"done"`           // of all questions of this kind
	All     int         `json:"all"`
	Found   []ScanFound `json:"found"`
	Failed  []string    `json:"failed"` // what could not be looked at, and why
}

// ScanFound is one thing that is connected.
type ScanFound struct {
	Kind  string `json:"kind"`
	Where string `json:"where"`
	Title string `json:"title"`
	Sure  bool   `json:"sure"`           // it was asked and answered so
	Used  string `json:"used,omitempty"` // by whom
	Note  string `json:"note,omitempty"`
	Name  string `json:"name,omitempty"`  // a proposal for the device's
	Text  string `json:"text,omitempty"`  // keys of its table
	Needs string `json:"needs,omitempty"` // "model": model = "…" or driver = "…" must be added to the text

	// Models are those that it can be read with, if it was asked who it is; the first is in the
	// text.
	Models []string `json:"models,omitempty"`
}

// Preview is how one device answered.
type Preview struct {
	Name     string           `json:"name"`
	OK       bool             `json:"ok"`
	Skipped  bool             `json:"skipped,omitempty"` // opening it could switch something
	Text     string           `json:"text"`
	Channels []status.Channel `json:"channels,omitempty"`
	Unlisted []status.Channel `json:"unlisted,omitempty"` // what it sends and no channel takes
}

// DeviceBody is a device to be added.
type DeviceBody struct {
	File string `json:"file,omitempty"` // of the data folder; default devices.toml
	Text string `json:"text"`           // its table, with its header
}

// defaultFile is where devices are added.
const defaultFile = "devices.toml"

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
		{"POST", api + "/scan", Admin, s.postScan, "look what is connected; the answer comes with GET", nil, ScanBody{}, ScanState{}, ""},
		{"GET", api + "/scan", Admin, s.getScan, "how far the scan is, and what it has found", nil, nil, ScanState{}, ""},
		{"DELETE", api + "/scan", Admin, s.deleteScan, "end the scan", nil, nil, ScanState{}, ""},
		{"POST", api + "/preview", Admin, s.postPreview, "read the devices that a text adds, once, without saving it", nil, DeviceBody{}, []Preview{}, ""},
		{"POST", api + "/config/devices", Admin, s.postDevice, "save a device at the end of a file of the data folder", nil, DeviceBody{}, confd.Saved{}, ""},
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
	return s.heavyJSON(w, r, func() (any, error) { return s.o.Machine.Models(r.URL.Query().Get("search")), nil })
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

func (s *Server) postScan(w http.ResponseWriter, r *http.Request) error {
	var b ScanBody
	if err := decodeBody(r, &b, `{"kinds": ["modbus"], "port": "/dev/ttyUSB0"}`); err != nil {
		return err
	}
	err := s.o.Machine.StartScan(b)
	switch {
	case errors.Is(err, ErrScanRuns):
		return busy(err)
	case err != nil:
		return badRequest(err.Error(), "")
	}
	writeJSON(w, s.o.Machine.Scan())
	return nil
}

func busy(err error) *Problem {
	return problem(http.StatusConflict, err.Error(), "", "GET "+api+"/scan, or again in a moment")
}

func (s *Server) getScan(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, s.o.Machine.Scan())
	return nil
}

func (s *Server) deleteScan(w http.ResponseWriter, r *http.Request) error {
	s.o.Machine.StopScan()
	return s.getScan(w, r)
}

const deviceExample = `{"text": "[device.grid]\nmodel = \"eastron/sdm630\"\n…"}`

func (s *Server) postPreview(w http.ResponseWriter, r *http.Request) error {
	var b DeviceBody
	if err := decodeBody(r, &b, deviceExample); err != nil {
		return err
	}
	// A name that no other file has: what is previewed stands beside everything else.
	out, err := s.o.Machine.Preview(r.Context(), "zz-preview.toml", b.Text)
	switch {
	case errors.Is(err, ErrScanRuns):
		return busy(err)
	case err != nil:
		return configProblem(err)
	}
	writeJSON(w, out)
	return nil
}

// postDevice appends to what the file has now: nobody has to know its text.
func (s *Server) postDevice(w http.ResponseWriter, r *http.Request) error {
	var b DeviceBody
	if err := decodeBody(r, &b, deviceExample); err != nil {
		return err
	}
	if b.File == "" {
		b.File = defaultFile
	}
	files, err := s.o.Config.Files()
	if err != nil {
		return err
	}
	e := confd.Edit{File: b.File, Text: confd.Append("", b.Text)}
	for _, f := range files {
		if f.Name == b.File {
			e.Text, e.ETag = confd.Append(f.Text, b.Text), f.ETag
		}
	}
	return s.save(w, r, e)
}
