package gateway

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/web"
)

// freshFor is how long what was found out about the machine is good: everybody may ask,
// and the doctor measures the disk.
const freshFor = time.Minute

// webMachine is the board as the web server sees it.
type webMachine struct {
	g *Gateway

	lookMu sync.Mutex // held while the doctor looks, which takes seconds
	found  []web.Finding
	looked time.Time

	modelsMu sync.Mutex
	models   []config.Model
	modelsAt time.Time

	job scanJob
}

// Doctor implements web.Machine.
func (m *webMachine) Doctor(context.Context) ([]web.Finding, error) {
	m.lookMu.Lock()
	defer m.lookMu.Unlock()
	if time.Since(m.looked) < freshFor {
		return m.found, nil
	}
	m.found = []web.Finding{}
	if look := m.g.opt.Doctor; look != nil {
		m.found = look(m.g.config())
	}
	m.looked = time.Now()
	return m.found, nil
}

// all are the models, as they were a moment ago.
func (m *webMachine) all() []config.Model {
	m.modelsMu.Lock()
	defer m.modelsMu.Unlock()
	if time.Since(m.modelsAt) > freshFor {
		m.models, m.modelsAt = config.Models(m.g.opt.Hardware.Catalogue(), m.dir()), time.Now()
	}
	return m.models
}

// dir is the folder of the main file.
func (m *webMachine) dir() string {
	if files := m.g.config().Files; len(files) > 0 {
		return filepath.Dir(files[0])
	}
	return ""
}

// Models implements web.Machine.
func (m *webMachine) Models(word string) []web.Model {
	list := []web.Model{}
	for _, x := range m.all() {
		if x.Mentions(word) {
			list = append(list, webModel(&x))
		}
	}
	return list
}

// Model implements web.Machine.
func (m *webMachine) Model(name string) (web.Model, bool) {
	for _, x := range m.all() {
		if x.Name == name {
			v := webModel(&x)
			v.Text = x.Text
			return v, true
		}
	}
	return web.Model{}, false
}

func webModel(m *config.Model) web.Model {
	v := web.Model{Name: m.Name, Driver: m.Driver, Title: m.Title, Tested: m.Tested, Sources: m.Sources, Channels: m.Channels}
	if v.Channels == nil {
		v.Channels = []string{}
	}
	return v
}
