package mqtttools

import (
	"context"
	"fmt"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
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

// quietTime is how long nothing must come until all retained messages have come.
const quietTime = 500 * time.Millisecond

// List returns the retained messages that match the filters, by topic.
func (r *Retained) List(ctx context.Context, filters ...string) (map[string][]byte, error) {
	found := map[string][]byte{}
	err := r.with(ctx, func(pc paho.Client) error {
		var mu sync.Mutex
		came := make(chan struct{}, 1)
		want := map[string]byte{}
		for _, f := range filters {
			want[f] = 0
		}
		t := pc.SubscribeMultiple(want, func(_ paho.Client, m paho.Message) {
			if m.Retained() {
				mu.Lock()
				found[m.Topic()] = m.Payload()
				mu.Unlock()
			}
			select {
			case came <- struct{}{}:
			default:
			}
		})
		if err := await(ctx, t); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		for {
			select {
			case <-came:
			case <-time.After(quietTime):
				mu.Lock()
				defer mu.Unlock()
				return pc.Unsubscribe(filters...).Error()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return found, err
}

// Remove removes the retained messages of the topics.
func (r *Retained) Remove(ctx context.Context, topics []string) error {
	return r.with(ctx, func(pc paho.Client) error {
		for _, topic := range topics {
			if err := await(ctx, pc.Publish(topic, 1, true, []byte{})); err != nil {
				return fmt.Errorf("%s: %w", topic, err)
			}
		}
		return nil
	})
}

func (r *Retained) with(ctx context.Context, do func(paho.Client) error) error {
	r.inflight = 20
	if err := r.check(); err != nil {
		return UsageError{err}
	}
	o, err := r.options()
	if err != nil {
		return err
	}
	pc, err := r.connect(ctx, o)
	if err != nil {
		return err
	}
	defer pc.Disconnect(500)
	return do(pc)
}
