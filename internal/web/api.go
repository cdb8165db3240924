package web

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/describe"
	"sensorgate/internal/status"
)

// Device is one device as the API answers it: what the configuration says of it, and how
// it does.
type Device struct {
	describe.Device
	State    string    `json:"state"` // starting, ok, degraded, failing, absent, stuck, stopped
	Error    string    `json:"error,omitempty"`
	Since    time.Time `json:"since"`
	Channels []Channel `json:"channels"`
}

// Channel is one channel: what the configuration says of it, its newest value as it was
// published, and how it does.
type Channel struct {
	Device string `json:"device"`
	describe.Channel
	Value any        `json:"value"`          // number, boolean or text; null: there was none yet
	Time  *time.Time `json:"time,omitempty"` // of the value
	State string     `json:"state"`
	Error string     `json:"error,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	Stale bool       `json:"stale"` // the value is older than three of its intervals, or its device is not ok
}

func (s *Server) getStatus(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, s.o.Gateway.Snapshot())
	return nil
}

func (s *Server) getDescribe(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, s.o.Gateway.Describe())
	return nil
}

func (s *Server) devices() []Device {
	snapshot, node := s.o.Gateway.Snapshot(), s.o.Gateway.Describe()
	states := map[string]*status.Device{}
	for i := range snapshot.Devices {
		states[snapshot.Devices[i].Name] = &snapshot.Devices[i]
	}
	out := make([]Device, 0, len(node.Devices))
	for _, d := range node.Devices {
		st := states[d.Name]
		if st == nil { // between the two, a reload took it away
			continue
		}
		out = append(out, deviceOf(d, st, snapshot.Time))
	}
	return out
}

func deviceOf(d describe.Device, st *status.Device, now time.Time) Device {
	v := Device{Device: d, State: string(st.State), Error: st.Error, Since: st.Since, Channels: []Channel{}}
	values := map[string]status.Channel{}
	for _, c := range st.Channels {
		values[c.Name] = c
	}
	for _, c := range d.Channels {
		v.Channels = append(v.Channels, channelOf(d.Name, c, values[c.Name], st, now))
		delete(values, c.Name)
	}
	for _, c := range st.Channels { // what a driver made up by itself
		if _, extra := values[c.Name]; extra {
			v.Channels = append(v.Channels, channelOf(d.Name, describe.Channel{Name: c.Name, Unit: c.Unit, Kind: "gauge"}, c, st, now))
		}
	}
	return v
}

func channelOf(device string, c describe.Channel, newest status.Channel, st *status.Device, now time.Time) Channel {
	out := Channel{Device: device, Channel: c, State: string(newest.State), Error: newest.Error}
	if out.State == "" {
		out.State, out.Error = string(st.State), st.Error
	}
	if !newest.Since.IsZero() {
		out.Since = &newest.Since
	}
	if !newest.Time.IsZero() {
		out.Value, out.Time = newest.Value, &newest.Time
		late := c.Every > 0 && now.Sub(newest.Time).Seconds() > 3*c.Every+5
		out.Stale = late || newest.State != drivers.OK || st.State != drivers.OK && st.State != drivers.Degraded
	}
	return out
}

func (s *Server) getDevices(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, s.devices())
	return nil
}

func (s *Server) device(name string) (Device, error) {
	for _, d := range s.devices() {
		if d.Name == name {
			return d, nil
		}
	}
	return Device{}, notFound("device", name, "GET "+api+"/devices")
}

func (s *Server) getDevice(w http.ResponseWriter, r *http.Request) error {
	d, err := s.device(r.PathValue("device"))
	if err == nil {
		writeJSON(w, d)
	}
	return err
}

func (s *Server) getChannels(w http.ResponseWriter, _ *http.Request) error {
	all := []Channel{}
	for _, d := range s.devices() {
		all = append(all, d.Channels...)
	}
	writeJSON(w, all)
	return nil
}

func (s *Server) channel(r *http.Request) (Channel, error) {
	d, err := s.device(r.PathValue("device"))
	if err != nil {
		return Channel{}, err
	}
	for _, c := range d.Channels {
		if c.Name == r.PathValue("channel") {
			return c, nil
		}
	}
	return Channel{}, notFound("channel", d.Name+"/"+r.PathValue("channel"), "GET "+api+"/devices/"+d.Name)
}

func (s *Server) getChannel(w http.ResponseWriter, r *http.Request) error {
	c, err := s.channel(r)
	if err == nil {
		writeJSON(w, c)
	}
	return err
}

func (s *Server) getUpstreams(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, s.o.Gateway.Snapshot().Upstreams)
	return nil
}

// CommandBody is the body of a command.
type CommandBody struct {
	Value   any     `json:"value"`                     // as on the channel's set topic: "on", 21.5, true
	Timeout float64 `json:"timeout_seconds,omitempty"` // default 10
}

// maxCommandTime is how long a request may wait for a device.
const maxCommandTime = 25 * time.Second

func (s *Server) postCommand(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Value   json.RawMessage `json:"value"`
		Timeout float64         `json:"timeout_seconds"`
	}
	if err := decodeBody(r, &in, `{"value": "on"}`); err != nil {
		return err
	}
	if len(in.Value) == 0 {
		return badRequest("value is missing", `{"value": "on"}`)
	}
	c, err := s.channel(r)
	if err != nil {
		return err
	}
	if !c.Writable {
		return problem(http.StatusConflict, "the channel takes no commands", c.Device+"/"+c.Name, "")
	}
	timeout := 10 * time.Second
	if in.Timeout > 0 {
		timeout = min(time.Duration(in.Timeout*float64(time.Second)), maxCommandTime)
	}
	id := whoAsks(r)
	s.log.Info("command", "device", c.Device, "channel", c.Name, "value", string(in.Value), "user", id.user)
	res, err := s.o.Gateway.Command(r.Context(), Command{Device: c.Device, Channel: c.Name, Value: in.Value, User: id.user, Timeout: timeout})
	if err == nil {
		writeJSON(w, res)
	}
	return err
}

func decodeBody(r *http.Request, into any, example string) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest(err.Error(), example)
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("something follows the JSON value", example)
	}
	return nil
}
