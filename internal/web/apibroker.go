package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"sensorgate/internal/mqtt"
)

// Broker is the broker as people look at it. All methods may be called by several
// goroutines.
type Broker interface {
	Clients() []Client
	Disconnect(client string) error // its session stays; an error if it is not connected
	RemoveSession(ctx context.Context, client string) error

	// Topics returns the newest messages that asker may read and whose topics match filter,
	// in the order of their topics. missed is how many topics there was no room for.
	Topics(asker Asker, filter string) (all []Topic, missed int)
	Publish(ctx context.Context, asker Asker, m Publication) error
}

// Asker is whose permissions at the broker count.
type Asker struct {
	User string // of the broker; "" for a token, loopback or the control socket
	All  bool   // an admin who is no user of the broker
}

// Client is a session of the broker: who is connected, and what waits for who is not.
type Client struct {
	Client        string     `json:"client"`
	User          string     `json:"user,omitempty"`
	Connected     bool       `json:"connected"`
	Address       string     `json:"address,omitempty"` // while connected
	Persistent    bool       `json:"persistent"`        // it outlives its connection
	Gone          *time.Time `json:"gone,omitempty"`    // when the last connection ended
	Expires       *time.Time `json:"expires,omitempty"` // not set: never, or connected
	Subscriptions int        `json:"subscriptions"`
	Waiting       uint64     `json:"waiting"`       // messages
	WaitingBytes  int64      `json:"waiting_bytes"` // of these
}

// Topic is the newest message of a topic.
type Topic struct {
	Topic    string    `json:"topic"`
	Payload  string    `json:"payload"`          // its first bytes as text; what is none is replaced
	Binary   bool      `json:"binary,omitempty"` // the payload is no text
	Bytes    int       `json:"bytes"`            // of the whole payload
	QoS      int       `json:"qos"`
	Retained bool      `json:"retained"`
	Time     time.Time `json:"time"` // when it was published
}

// Topics is the answer of GET /topics.
type Topics struct {
	Topics []Topic `json:"topics"`
	Missed int     `json:"missed"` // topics beside these for which there was no room
}

// Publication is a message that an admin publishes.
type Publication struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	QoS     int    `json:"qos,omitempty"`
	Retain  bool   `json:"retain,omitempty"`
}

func (s *Server) brokerTable() []route {
	client := param{"client", "client id", "path"}
	return []route{
		{"GET", api + "/clients", Operate, s.getClients, "who is connected to the broker, and the sessions that wait", nil, nil, []Client{}, ""},
		{"POST", api + "/clients/{client}/disconnect", Admin, s.postDisconnect, "end a client's connection; its session stays", []param{client}, nil, map[string]any{}, ""},
		{"DELETE", api + "/clients/{client}", Admin, s.deleteClient, "remove a session with all that waits for it", []param{client}, nil, map[string]any{}, ""},
		{"GET", api + "/topics", View, s.getTopics, "the newest message of each topic that the user may read; asked again within a minute, also those that are not retained",
			[]param{{"filter", "only topics that match: barn/#; default all", "query"}}, nil, Topics{}, ""},
		{"POST", api + "/topics/publish", Admin, s.postPublish, "publish a message", nil, Publication{}, map[string]any{}, ""},
	}
}

func (s *Server) getClients(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, s.o.Broker.Clients())
	return nil
}

func (s *Server) postDisconnect(w http.ResponseWriter, r *http.Request) error {
	client := r.PathValue("client")
	s.log.Info("client is disconnected", "client", client, "user", whoAsks(r).user)
	if err := s.o.Broker.Disconnect(client); err != nil {
		return problem(http.StatusNotFound, "the client is not connected", err.Error(), "GET "+api+"/clients")
	}
	writeJSON(w, struct{}{})
	return nil
}

func (s *Server) deleteClient(w http.ResponseWriter, r *http.Request) error {
	client := r.PathValue("client")
	s.log.Info("session is removed", "client", client, "user", whoAsks(r).user)
	ctx, stop := context.WithTimeout(r.Context(), 10*time.Second)
	defer stop()
	if err := s.o.Broker.RemoveSession(ctx, client); err != nil {
		return problem(http.StatusNotFound, "the session is not removed", err.Error(), "GET "+api+"/clients")
	}
	writeJSON(w, struct{}{})
	return nil
}

// asker is whose permissions count for a request.
func asker(r *http.Request) Asker {
	id := whoAsks(r)
	if id.user == "" || strings.HasPrefix(id.user, tokenUser) {
		return Asker{All: id.role == Admin}
	}
	return Asker{User: id.user}
}

func (s *Server) getTopics(w http.ResponseWriter, r *http.Request) error {
	filter := r.URL.Query().Get("filter")
	if filter == "" {
		filter = "#"
	}
	if err := mqtt.CheckFilter(filter); err != nil {
		return badRequest("filter: "+err.Error(), "?filter=barn/%23")
	}
	return s.heavyJSON(w, r, func() (any, error) { // thousands of topics, each against permissions
		all, missed := s.o.Broker.Topics(asker(r), filter)
		if all == nil {
			all = []Topic{}
		}
		return Topics{all, missed}, nil
	})
}

// maxPublication bounds the payload that the API publishes, bytes.
const maxPublication = 256 << 10

func (s *Server) postPublish(w http.ResponseWriter, r *http.Request) error {
	var p Publication
	const example = `{"topic": "barn/note", "payload": "hello", "retain": false}`
	if err := decodeBody(r, &p, example); err != nil {
		return err
	}
	switch err := mqtt.CheckTopic(p.Topic); {
	case err != nil:
		return badRequest("topic: "+err.Error(), example)
	case strings.HasPrefix(p.Topic, "$"):
		return badRequest("topic: those that begin with $ are the broker's own", example)
	case p.QoS < 0 || p.QoS > 2:
		return badRequest("qos: found another number than 0, 1, 2", example)
	case len(p.Payload) > maxPublication:
		return problem(http.StatusRequestEntityTooLarge, "the payload is too large", "it has more than 256 KiB", "sensorgate pub")
	case !s.publishes.take():
		return tooOften("messages were published")
	}
	s.log.Info("message is published", "topic", p.Topic, "user", whoAsks(r).user)
	if err := s.o.Broker.Publish(r.Context(), asker(r), p); err != nil {
		return problem(http.StatusForbidden, "the message was not published", err.Error(), "the rules of [broker] acl")
	}
	writeJSON(w, struct{}{})
	return nil
}
