package broker

import (
	"container/list"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const defaultPath = "/mqtt"

// webSocket serves MQTT over WebSocket on one listener (MQTT 5, chapter 6).
type webSocket struct {
	b        *Broker
	l        *listener
	upgrader websocket.Upgrader
	waiting  sync.Map // net.Conn before the upgrade → its place in the waiting logins
}

// watch has connections that are not WebSockets yet wait with all others.
func (h *webSocket) watch(nc net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.waiting.Store(nc, h.b.waiting.add(nc, loginFee(h.l)))
	case http.StateHijacked, http.StateClosed:
		if e, ok := h.waiting.LoadAndDelete(nc); ok {
			h.b.waiting.remove(e.(*list.Element))
		}
	}
}

// acceptWeb takes HTTP requests and upgrades them, until the listener is closed.
func (b *Broker) acceptWeb(l *listener) error {
	h := &webSocket{b: b, l: l}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: connectTimeout,
		ReadBufferSize:   minRead,
		WriteBufferSize:  minRead,
		Subprotocols:     []string{"mqtt", "mqttv3.1"}, // [MQTT-6.0.0-3], and the name of 3.1
	}
	s := &http.Server{
		Handler:        h,
		ReadTimeout:    connectTimeout, // until it is a WebSocket
		MaxHeaderBytes: 16 << 10,
		ConnState:      h.watch,
		ErrorLog:       slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
	s.SetKeepAlivesEnabled(false) // who does not upgrade has nothing else to ask here
	defer s.Close()               // those not yet upgraded; ours are closed by us
	err := s.Serve(l.socket())
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (h *webSocket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != h.l.path() {
		http.NotFound(w, r)
		return
	}
	offered := websocket.Subprotocols(r)
	if !slices.Contains(offered, "mqtt") && !slices.Contains(offered, "mqttv3.1") { // [MQTT-6.0.0-3]
		http.Error(w, `WebSocket sub-protocol "mqtt" is required`, http.StatusBadRequest)
		return
	}
	upgrader := h.upgrader
	if allowed := h.l.settings().Origins; len(allowed) > 0 { // else: the same origin as the request's host
		upgrader.CheckOrigin = func(r *http.Request) bool {
			origin := r.Header.Get("Origin")
			return origin == "" || slices.Contains(allowed, origin) || slices.Contains(allowed, "*")
		}
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.b.log.Debug("WebSocket not opened", "remote", r.RemoteAddr, "err", err)
		return // it has answered
	}
	h.b.count.connections.Add(1)
	ws.SetReadLimit(int64(h.b.packetLimit(h.l)) + 16)
	h.b.begin(&webConn{Conn: ws}, h.l)
}

func (l *listener) path() string {
	if l.Path == "" {
		return defaultPath
	}
	return l.Path
}

// webConn makes a byte stream of a WebSocket: packets may be cut over messages, and
// messages hold several [MQTT-6.0.0-2].
type webConn struct {
	*websocket.Conn
	message io.Reader
}

var errText = errors.New("WebSocket text message: MQTT is binary") // [MQTT-6.0.0-1]

func (c *webConn) Read(b []byte) (int, error) {
	for {
		if c.message == nil {
			kind, r, err := c.NextReader()
			switch {
			case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived):
				return 0, io.EOF
			case err != nil:
				return 0, err
			case kind != websocket.BinaryMessage:
				return 0, errText
			}
			c.message = r
		}
		n, err := c.message.Read(b)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *webConn) Write(b []byte) (int, error) {
	if err := c.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *webConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close sends a close frame first, as far as the socket takes it at once.
func (c *webConn) Close() error {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = c.WriteControl(websocket.CloseMessage, bye, time.Now().Add(100*time.Millisecond))
	return c.Conn.Close()
}
