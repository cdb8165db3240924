package web

import (
	"errors"
	"io/fs"
	"net/http"
	"syscall"
	"time"

	"sensorgate/internal/confd"
	"sensorgate/internal/config"
)

// Configuration is what an admin may read and change.
//
//	Files     as they are on the disk, without secrets
//	Check     as if the files had these texts
//	Plan      what a reload would change then
//	Save      check, write, reload; an error changed nothing
//	Undo      version 0 is the newest
//	Versions  writable: anything can be saved; waits: nil if no save waits to be confirmed
type Configuration interface {
	Files() ([]confd.File, error)
	Check(files []ConfigFile) (config.Problems, error)
	Plan(files []ConfigFile) (config.Changes, error)
	Reload() error
	Save(e confd.Edit) (confd.Saved, error)
	Undo(version int, user string) (confd.Saved, error)
	Confirm(version int, connected time.Time) error
	Versions() (writable bool, v []confd.Version, waits *confd.Wait, err error)
}

// ConfigFile is a text in place of what a file of the configuration has.
type ConfigFile struct {
	Name string `json:"name"` // as GET /config names it; another is a new file of the data folder
	Text string `json:"text"`
	Gone bool   `json:"gone,omitempty"` // as if there were no such file
}

// Mark is one fault of a configuration and its place.
type Mark struct {
	Severity  string `json:"severity"` // error, warning
	File      string `json:"file"`
	Line      int    `json:"line,omitempty"` // from 1; none: of the file as a whole
	Column    int    `json:"column,omitempty"`
	EndColumn int    `json:"endColumn,omitempty"`
	Path      string `json:"path,omitempty"` // of the key: device.grid.every
	Text      string `json:"text"`
	Lines     any    `json:"lines,omitempty"` // of the file, that help to see it
	Notes     any    `json:"notes,omitempty"` // label and text: expected, try
}

// Checked is what a check found.
type Checked struct {
	OK       bool            `json:"ok"` // no errors; there may be warnings
	Problems config.Problems `json:"problems"`
}

// ConfigText is the body of a save.
type ConfigText struct {
	Text string `json:"text"`
}

// VersionBody names a version.
type VersionBody struct {
	Version int `json:"version"`
}

// Versions is what can be undone.
type Versions struct {
	Writable bool            `json:"writable"` // whether anything can be saved at all
	Waiting  *confd.Wait     `json:"waiting"`  // a save that is undone unless it is confirmed; null: none
	Versions []confd.Version `json:"versions"` // what files had before the last saves, the newest first
}

func (s *Server) configTable() []route {
	file := param{"file", "name of a file of the data folder: 50-meters.toml", "path"}
	match := param{"If-Match", "etag of the text that the save was made from; it is refused if the file has another by now", "header"}
	fresh := param{"If-None-Match", "* for a file that is not there yet", "header"}
	return []route{
		{"GET", api + "/config", Admin, s.getConfig, "the configuration's files, without secrets", nil, nil, []confd.File{}, ""},
		{"POST", api + "/config/check", Admin, s.postCheck, "check as if these files had these texts", nil, []ConfigFile{}, Checked{}, ""},
		{"GET", api + "/config/plan", Admin, s.getPlan, "what a reload would change", nil, nil, config.Changes{}, ""},
		{"POST", api + "/config/plan", Admin, s.postPlan, "what a reload would change if these files had these texts", nil, []ConfigFile{}, config.Changes{}, ""},
		{"POST", api + "/config/reload", Admin, s.postReload, "read the configuration again", nil, nil, map[string]any{}, ""},
		{"GET", api + "/config/versions", Admin, s.getVersions, "what can be undone, and what waits for a confirmation", nil, nil, Versions{}, ""},
		{"PUT", api + "/config/files/{file}", Admin, s.putFile, "save a file: check, write, reload, or nothing", []param{file, match, fresh}, ConfigText{}, confd.Saved{}, ""},
		{"DELETE", api + "/config/files/{file}", Admin, s.deleteFile, "remove a file, as a save", []param{file, match}, nil, confd.Saved{}, ""},
		{"POST", api + "/config/undo", Admin, s.postUndo, "put back what a file had before a save; version 0: the newest", nil, VersionBody{}, confd.Saved{}, ""},
		{"POST", api + "/config/confirm", Admin, s.postConfirm, "keep a save that waits, over a connection made after it", nil, VersionBody{}, map[string]any{}, ""},
	}
}

func (s *Server) getConfig(w http.ResponseWriter, _ *http.Request) error {
	files, err := s.o.Config.Files()
	if err == nil {
		writeJSON(w, files)
	}
	return err
}

const filesExample = `[{"name": "50-meters.toml", "text": "…"}]`

func (s *Server) postCheck(w http.ResponseWriter, r *http.Request) error {
	var files []ConfigFile
	if err := decodeBody(r, &files, filesExample); err != nil {
		return err
	}
	found, err := s.o.Config.Check(files)
	if err != nil {
		return configProblem(err)
	}
	writeJSON(w, Checked{!found.Errors(), found})
	return nil
}

func (s *Server) getPlan(w http.ResponseWriter, _ *http.Request) error { return s.plan(w, nil) }

func (s *Server) postPlan(w http.ResponseWriter, r *http.Request) error {
	var files []ConfigFile
	if err := decodeBody(r, &files, filesExample); err != nil {
		return err
	}
	return s.plan(w, files)
}

func (s *Server) plan(w http.ResponseWriter, files []ConfigFile) error {
	plan, err := s.o.Config.Plan(files)
	if err != nil {
		return configProblem(err)
	}
	writeJSON(w, plan)
	return nil
}

func (s *Server) postReload(w http.ResponseWriter, r *http.Request) error {
	s.log.Info("reload", "user", whoAsks(r).user)
	if err := s.o.Config.Reload(); err != nil {
		return problem(http.StatusUnprocessableEntity, "the reload was refused; nothing changed", err.Error(), "sensorgate check")
	}
	writeJSON(w, struct{}{})
	return nil
}

func (s *Server) getVersions(w http.ResponseWriter, _ *http.Request) error {
	writable, versions, waits, err := s.o.Config.Versions()
	if err == nil {
		writeJSON(w, Versions{writable, waits, versions})
	}
	return err
}

func (s *Server) putFile(w http.ResponseWriter, r *http.Request) error {
	etag := r.Header.Get("If-Match")
	if etag == "" && r.Header.Get("If-None-Match") != "*" {
		return problem(http.StatusPreconditionRequired, "which text was this made from?", "there is neither If-Match nor If-None-Match",
			"If-Match: the etag of GET "+api+"/config; for a new file If-None-Match: *")
	}
	var body ConfigText
	if err := decodeBody(r, &body, `{"text": "…"}`); err != nil {
		return err
	}
	return s.save(w, r, confd.Edit{File: r.PathValue("file"), Text: body.Text, ETag: etag})
}

func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request) error {
	etag := r.Header.Get("If-Match")
	if etag == "" {
		return problem(http.StatusPreconditionRequired, "which text is to go?", "there is no If-Match", "If-Match: the etag of GET "+api+"/config")
	}
	return s.save(w, r, confd.Edit{File: r.PathValue("file"), Remove: true, ETag: etag})
}

func (s *Server) save(w http.ResponseWriter, r *http.Request, e confd.Edit) error {
	if !s.saves.take() { // each costs the card some blocks
		return tooOften("the configuration was saved")
	}
	e.User = whoAsks(r).user
	return saved(w, func() (confd.Saved, error) { return s.o.Config.Save(e) })
}

func (s *Server) postUndo(w http.ResponseWriter, r *http.Request) error {
	var body VersionBody
	if err := decodeBody(r, &body, `{"version": 0}`); err != nil {
		return err
	}
	if !s.saves.take() {
		return tooOften("the configuration was saved")
	}
	return saved(w, func() (confd.Saved, error) { return s.o.Config.Undo(body.Version, whoAsks(r).user) })
}

// saved answers with what a save did.
func saved(w http.ResponseWriter, do func() (confd.Saved, error)) error {
	out, err := do()
	if err != nil {
		return configProblem(err)
	}
	if out.ETag != "" {
		w.Header().Set("ETag", out.ETag)
	}
	writeJSON(w, out)
	return nil
}

func (s *Server) postConfirm(w http.ResponseWriter, r *http.Request) error {
	var body VersionBody
	if err := decodeBody(r, &body, `{"version": 12}`); err != nil {
		return err
	}
	err := s.o.Config.Confirm(body.Version, connected(r))
	if errors.Is(err, confd.ErrOldWay) {
		w.Header().Set("Connection", "close") // the next attempt is over a new one
	}
	if err != nil {
		return configProblem(err)
	}
	writeJSON(w, struct{}{})
	return nil
}

// configAnswers are the answers to what package confd refuses.
var configAnswers = []struct {
	err    error
	status int
	try    string
}{
	{confd.ErrChanged, http.StatusPreconditionFailed, "GET " + api + "/config, and the change again"},
	{confd.ErrWaits, http.StatusConflict, "POST " + api + "/config/confirm, or wait a minute"},
	{confd.ErrOldWay, http.StatusConflict, "again: this connection is closed now"},
	{confd.ErrNothing, http.StatusConflict, "GET " + api + "/config/versions"},
	{confd.ErrReadOnly, http.StatusConflict, "name a data folder in the main file"},
	{confd.ErrName, http.StatusBadRequest, "50-meters.toml"},
	{confd.ErrTooLarge, http.StatusRequestEntityTooLarge, "several files"},
	{confd.ErrNoVersion, http.StatusNotFound, "GET " + api + "/config/versions"},
	{confd.ErrReload, http.StatusUnprocessableEntity, ""},
	{confd.ErrHidden, http.StatusUnprocessableEntity, "write secrets into files of their own: { file = \"…\" }"},
	{syscall.ENOSPC, http.StatusInsufficientStorage, "make room on the disk: sensorgate doctor"},
	{fs.ErrNotExist, http.StatusNotFound, "GET " + api + "/config"},
}

// configProblem is why a configuration was not taken.
func configProblem(err error) error {
	var found config.Problems
	if errors.As(err, &found) {
		p := problem(http.StatusUnprocessableEntity, "the configuration cannot be used; nothing changed", err.Error(), "see the problems with their places")
		p.Problems = found
		return p
	}
	for _, r := range configAnswers {
		if errors.Is(err, r.err) {
			return problem(r.status, r.err.Error(), err.Error(), r.try)
		}
	}
	return problem(http.StatusUnprocessableEntity, "the configuration cannot be used; nothing changed", err.Error(), "sensorgate check")
}
