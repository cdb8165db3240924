package mqtttools

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

// Retained looks at what a broker retains, and removes some of it.
type Retained struct{ client }

// Flags adds the flags of the connection to f.
func (r *Retained) Flags(f *pflag.FlagSet) {
	r.flags, r.version, r.keepAlive = f, "311", 60
	f.StringVarP(&r.url, "url", "L", "", "the broker, mqtt(s)|ws(s)://[user[:password]@]host[:port]; default: this gateway's own")
	f.StringVarP(&r.user, "username", "u", "", "user `name`")
	f.StringVarP(&r.password, "pw", "P", "", "`password`; safer: the environment variable MQTT_PASSWORD")
	f.StringVar(&r.cafile, "cafile", "", "`file` with the certificates that are trusted")
}

// At is the broker where --url does not name one.
func (r *Retained) At(url string) {
	if r.url == "" {
		r.url = url
	}
}

// quietTime is how long no retained message must come until all of them have come.
const quietTime = 500 * time.Millisecond

// List returns the retained messages that match the filters, by topic.
func (r *Retained) List(ctx context.Context, filters ...string) (map[string][]byte, error) {
	found := map[string][]byte{}
	came := make(chan message)
	done := make(chan struct{})
	end := sync.OnceFunc(func() { close(done) })
	defer end()
	conn, err := r.connect(ctx, events{message: func(m message) bool {
		select {
		case came <- m:
		case <-done:
		}
		return true
	}})
	if err != nil {
		return nil, err
	}
	defer conn.disconnect()
	defer end() // first: disconnect waits for the message that is being handed over
	answered := make(chan error, 1)
	go func() {
		reasons, err := conn.subscribe(ctx, filters, subscription{})
		for i, reason := range reasons {
			if err == nil && reason >= refusedQoS {
				err = fmt.Errorf("the broker refuses the subscription to %s", filters[i])
			}
		}
		answered <- err
	}()
	quiet := time.NewTimer(time.Hour) // begins with the answer
	defer quiet.Stop()
	for {
		select {
		case m := <-came:
			if !m.retain {
				continue // what is published meanwhile may never end
			}
			found[m.topic] = m.payload
			quiet.Reset(quietTime)
		case err := <-answered:
			if err != nil {
				return nil, fmt.Errorf("subscribe: %w", err)
			}
			quiet.Reset(quietTime)
		case <-quiet.C:
			return found, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Remove removes the retained messages of the topics.
func (r *Retained) Remove(ctx context.Context, topics []string) error {
	conn, err := r.connect(ctx, events{})
	if err != nil {
		return err
	}
	defer conn.disconnect()
	for _, topic := range topics {
		wait, err := conn.publish(ctx, &message{topic: topic, qos: 1, retain: true, payload: []byte{}})
		if err == nil {
			err = wait(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", topic, err)
		}
	}
	return nil
}

func (r *Retained) connect(ctx context.Context, e events) (connection, error) {
	r.inflight = 20
	if r.password == "" {
		r.password = os.Getenv("MQTT_PASSWORD")
	}
	if err := r.parseURL(); err != nil {
		return nil, UsageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return r.open(ctx, e)
}
