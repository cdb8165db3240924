package mqtttools

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Broker is where to connect when no flag says it.
type Broker struct {
	Address string // host:port; "" is the usual one of MQTT
	Socket  string // path of a Unix socket, instead
	WS      bool   // Address takes WebSocket

	// Unsure is why nobody knows whose broker that is; "" if it is the gateway's.
	Unsure string
}

// usualAddress is where a broker listens that nobody has configured. Not localhost: a
// system under construction has no /etc/hosts.
const usualAddress = "127.0.0.1"

// findBroker asks whoever runs the tool where the gateway's own broker is, unless a flag
// says where to connect.
func (c *client) findBroker(ctx context.Context) error {
	if c.found || c.FindBroker == nil || c.url != "" || c.socket != "" || c.flags == nil || c.flags.Changed("host") || c.flags.Changed("port") {
		return nil
	}
	c.found = true
	b, err := c.FindBroker(ctx)
	if err != nil {
		return err
	}
	c.socket = b.Socket
	if b.Address != "" {
		host, port, ok := strings.Cut(b.Address, ":")
		if i := strings.LastIndex(b.Address, ":"); ok {
			host, port = strings.Trim(b.Address[:i], "[]"), b.Address[i+1:]
		}
		c.host = host
		if _, err := fmt.Sscan(port, &c.port); err != nil {
			return fmt.Errorf("listener %s: %w", b.Address, err)
		}
		c.webSocket = c.webSocket || b.WS
	}
	if b.Unsure != "" && !c.Quiet {
		c.introduce(ctx, b.Unsure)
	}
	return nil
}

// introduceTime is how long a broker has to say who it is.
const introduceTime = 2 * time.Second

// introduce asks the broker what it is, and says so if it is not a gateway's: a user who
// names none expects the gateway, and mosquitto may be in its place.
func (c *client) introduce(ctx context.Context, unsure string) {
	ctx, cancel := context.WithTimeout(ctx, introduceTime)
	defer cancel()
	asker := *c
	asker.id, asker.idPrefix, asker.keepSession, asker.willTopic = "", "", false, ""
	came := make(chan string, 1)
	conn, err := asker.open(ctx, events{message: func(m message) bool {
		select {
		case came <- string(m.payload):
		default:
		}
		return true
	}})
	if err != nil {
		return // connecting itself will say it
	}
	defer conn.disconnect()
	reasons, err := conn.subscribe(ctx, []string{"$SYS/broker/version"}, subscription{})
	if err != nil || reasons[0] >= refusedQoS {
		return // it does not let us ask
	}
	select {
	case version := <-came:
		if !strings.Contains(version, "sensorgate") {
			fmt.Fprintf(os.Stderr, "sensorgate: note: this is %s on %s and not a gateway's broker (%s; name one with -h, -p or --config)\n", version, withoutPassword(c.address()), unsure)
		}
	case <-ctx.Done():
	}
}
