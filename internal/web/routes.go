package web

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"sensorgate/internal/describe"
	"sensorgate/internal/status"
	"sensorgate/internal/web/page"
)

const api = "/api/v1"

// maxBody bounds what a request may send: a configuration; maxSmallBody what one may that
// needs no admin: a login, a command.
const maxBody, maxSmallBody = 1 << 20, 16 << 10

// route is one method and path. What it takes and answers is for the OpenAPI document.
type route struct {
	method, path string
	least        Role // that may call it
	handle       func(http.ResponseWriter, *http.Request) error
	summary      string
	params       []param
	body, answer any    // an example value of the type; nil: none
	kind         string // of the answer; "" is application/json
}

// param is a part of the path or the query.
type param struct {
	name, doc string
	in        string // path, query or header
}

type handlers struct {
	routes []route
	mux    *http.ServeMux
}

func (s *Server) table() []route {
	device := param{"device", "name of the device", "path"}
	channel := param{"channel", "name of the channel", "path"}
	span := []param{
		{"from", "begin of the range, RFC 3339, or a duration before now: 24h; default 24h", "query"},
		{"to", "end of the range, RFC 3339; default now", "query"},
		{"every", "width of the points' slots: 1m; default: as fine as 2,000 points allow", "query"},
		{"max", "most points, up to 2000", "query"},
		{"zone", "time zone in which days begin: Europe/Berlin; default UTC", "query"},
	}
	all := []route{
		{"GET", api + "/me", Nobody, s.getMe, "who asks, and what they may do", nil, nil, Me{}, ""},
		{"POST", api + "/login", Nobody, s.postLogin, "log in; the answer sets a cookie", nil, Login{}, Me{}, ""},
		{"POST", api + "/logout", Nobody, s.postLogout, "end the login", nil, nil, Me{}, ""},
		{"GET", api + "/openapi.json", Nobody, s.getOpenAPI, "this document", nil, nil, nil, ""},

		{"GET", api + "/status", View, s.getStatus, "how the whole gateway does", nil, nil, status.Snapshot{}, ""},
		{"GET", api + "/describe", View, s.getDescribe, "devices and channels as configured", nil, nil, describe.Node{}, ""},
		{"GET", api + "/devices", View, s.getDevices, "all devices with their state and newest values", nil, nil, []Device{}, ""},
		{"GET", api + "/devices/{device}", View, s.getDevice, "one device", []param{device}, nil, Device{}, ""},
		{"GET", api + "/channels", View, s.getChannels, "all channels with their newest values", nil, nil, []Channel{}, ""},
		{"GET", api + "/devices/{device}/channels/{channel}", View, s.getChannel, "one channel", []param{device, channel}, nil, Channel{}, ""},
		{"GET", api + "/devices/{device}/channels/{channel}/history", View, s.getHistory, "what was measured", append([]param{device, channel}, span...), nil, History{}, ""},
		{"GET", api + "/history", View, s.getHistoryInfo, "how far back the history reaches", nil, nil, HistoryInfo{}, ""},
		{"GET", api + "/history.csv", View, s.getHistoryCSV, "all that is kept, as CSV", nil, nil, nil, "text/csv"},
		{"GET", api + "/upstreams", View, s.getUpstreams, "the bridges and what waits for them", nil, nil, []status.Upstream{}, ""},
		{"GET", api + "/upstreams/{upstream}/history", View, s.getSpoolHistory, "how many messages waited for it", append([]param{{"upstream", "name of the bridge", "path"}}, span...), nil, SpoolHistory{}, ""},
		{"GET", api + "/events", View, s.getEvents, "values and states as they change (server-sent events)", nil, nil, nil, "text/event-stream"},

		{"POST", api + "/devices/{device}/channels/{channel}/command", Operate, s.postCommand, "bring a channel to a state", []param{device, channel}, CommandBody{}, Result{}, ""},
		{"GET", api + "/log", Operate, s.getLog, "the newest log lines", []param{{"level", "least level: debug, info, warn, error", "query"}, {"part", "only of this part", "query"}}, nil, []LogLine{}, ""},

		{"GET", "/metrics", View, s.getMetrics, "metrics for Prometheus", nil, nil, nil, "text/plain"},
		{"GET", "/healthz", Nobody, s.getHealth, "does the gateway make progress?", nil, nil, Health{}, ""},
		{"GET", "/readyz", Nobody, s.getReady, "can the gateway do its work?", nil, nil, Health{}, ""},
	}
	return slices.Concat(all, s.brokerTable(), s.machineTable(), s.configTable())
}

func (s *Server) routes() handlers {
	h := handlers{routes: s.table(), mux: http.NewServeMux()}
	for _, r := range h.routes {
		if r.isQuick() {
			r.handle = s.quickly(r.handle)
		}
		h.mux.Handle(r.method+" "+r.path, s.guarded(r))
	}
	page.Handle(h.mux, s.roleAtOnce)
	h.mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problem(http.StatusNotFound, "nothing is here", r.Method+" "+r.URL.Path, api+"/openapi.json lists what there is"))
	}))
	return h
}

// refuse answers with err and counts it.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	if p := (*Problem)(nil); errors.As(err, &p) && p.why != notRefused {
		s.counts.refuse(p.why)
	}
	writeProblem(w, err)
}

// guarded is a route behind its role.
func (s *Server) guarded(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := s.identify(r)
		if err == nil && id.role < rt.least {
			err = forbidden(id, rt.least)
		}
		if err != nil {
			if r.Header.Get("Authorization") != "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="sensorgate"`)
			}
			s.refuse(w, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), identityKey, id))
		if rt.least < Admin { // sixty-four people who only log in must not send a megabyte each
			r.Body = http.MaxBytesReader(w, r.Body, maxSmallBody)
		}
		if err := s.handled(rt, w, r); err != nil {
			s.refuse(w, err)
		}
	})
}

// handled calls the route. A panic in it costs this one request.
func (s *Server) handled(rt route, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if fault == http.ErrAbortHandler {
			panic(fault) // net/http's own way to end a connection
		}
		s.log.Error("panic while a request was handled", "route", rt.method+" "+rt.path, "err", fault, "stack", string(debug.Stack()))
		err = problem(http.StatusInternalServerError, "this request is too much for the gateway; everything else goes on", rt.method+" "+rt.path, "report it, with the log")
	}()
	return rt.handle(w, r)
}

func forbidden(id identity, least Role) error {
	if id.role == Nobody || id.user == "" {
		return problem(http.StatusUnauthorized, "log in first", "this needs the role "+least.String(), "POST "+api+"/login, or a token: Authorization: Bearer …").because(noRole)
	}
	return problem(http.StatusForbidden, "not allowed", id.user+" has the role "+id.role.String()+", this needs "+least.String(),
		`in [web]: `+least.String()+` = ["`+strings.TrimPrefix(id.user, tokenUser)+`"]`).because(noRole)
}

// Handler serves everything, behind the checks that all requests pass.
func (s *Server) Handler() http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counts.requests.Add(1)
		if !status.CameFromSocket(r.Context()) && s.pace.wait(r.Context(), s.clientAddr(r)) != nil {
			return // nobody waits for the answer any more
		}
		s.setHeaders(w)
		rc := http.NewResponseController(w)
		// Neither fails on a connection of net/http.
		_ = rc.SetReadDeadline(time.Now().Add(30 * time.Second))
		_ = rc.SetWriteDeadline(time.Now().Add(30 * time.Second))
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		err := s.checkHost(r)
		if err == nil {
			err = checkOrigin(foreign, r)
		}
		if err == nil && s.o.Base != "" && !status.CameFromSocket(r.Context()) {
			err = s.stripBase(r)
		}
		if err != nil {
			s.refuse(w, err)
			return
		}
		s.handlers.mux.ServeHTTP(w, r)
	})
}

// checkOrigin refuses what a page of somebody else makes a browser send (CSRF). A body
// that is not JSON could be sent by a form.
func checkOrigin(foreign *http.CrossOriginProtection, r *http.Request) error {
	if err := foreign.Check(r); err != nil {
		return problem(http.StatusForbidden, "a page of another site may not do this", err.Error(), "").because(foreignPage)
	}
	if r.Method != http.MethodGet && r.ContentLength != 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return problem(http.StatusUnsupportedMediaType, "the body must be JSON", "Content-Type: "+r.Header.Get("Content-Type"), "Content-Type: application/json")
	}
	return nil
}

// stripBase takes the sub-path off. A proxy may already have done so.
func (s *Server) stripBase(r *http.Request) error {
	if rest, ok := strings.CutPrefix(r.URL.Path, s.o.Base); ok && (rest == "" || rest[0] == '/') {
		r.URL.Path, r.URL.RawPath = "/"+strings.TrimPrefix(rest, "/"), ""
	}
	return nil
}

func (s *Server) setHeaders(w http.ResponseWriter) {
	frames := "'none'"
	if len(s.o.Frames) > 0 {
		frames = strings.Join(s.o.Frames, " ")
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "+
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "+frames)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if len(s.o.Frames) == 0 {
		h.Set("X-Frame-Options", "DENY")
	}
}
