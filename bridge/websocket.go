package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// dialWebSocket opens MQTT over WebSocket. MQTT packets need not be aligned to frames
// [MQTT-6.0.0-2], so to the connection it is a byte stream like any other.
func dialWebSocket(ctx context.Context, d *net.Dialer, u *url.URL, secure *tls.Config) (net.Conn, error) {
	dialer := websocket.Dialer{
		NetDialContext:  d.DialContext,
		TLSClientConfig: secure,
		Subprotocols:    []string{"mqtt"}, // [MQTT-6.0.0-3]
	}
	target := *u
	if target.Path == "" {
		target.Path = "/mqtt" // where every broker listens unless told otherwise
	}
	target.User = nil
	c, resp, err := dialer.DialContext(ctx, target.String(), nil)
	if err != nil {
		if resp != nil {
			return nil, fmt.Errorf("answered %s to the WebSocket request (is the path %s right?)", resp.Status, target.Path)
		}
		return nil, explainTLS(err, time.Now())
	}
	if c.Subprotocol() != "mqtt" { // [MQTT-6.0.0-4]
		c.Close()
		return nil, fmt.Errorf("the WebSocket at %s does not speak MQTT", target.Path)
	}
	return &wsConn{Conn: c.NetConn(), ws: c}, nil
}

// wsConn makes a byte stream of binary WebSocket messages.
type wsConn struct {
	net.Conn // of the deadlines and addresses
	ws       *websocket.Conn
	r        io.Reader // rest of the current message
}

var errTextFrame = errors.New("a WebSocket text frame where MQTT needs binary ones") // [MQTT-6.0.0-1]

func (c *wsConn) Read(p []byte) (int, error) {
	for {
		if c.r == nil {
			kind, r, err := c.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errTextFrame
			}
			c.r = r
		}
		n, err := c.r.Read(p)
		if err == io.EOF {
			c.r = nil
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}

func (c *wsConn) Write(p []byte) (int, error) {
	if err := c.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetWriteDeadline goes through the library, which sets its own before each write.
func (c *wsConn) SetWriteDeadline(t time.Time) error { return c.ws.SetWriteDeadline(t) }

// NetConn returns the connection below.
func (c *wsConn) NetConn() net.Conn { return c.Conn }

func (c *wsConn) Close() error { return c.ws.Close() }
