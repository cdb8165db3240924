package attack

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"sensorgate/internal/mqtt"
)

// moreRows are variations that nobody had listed: what subscriptions cost at each message,
// handshakes, and many ends at once.
var moreRows = []row{
	{name: "groups", what: "1 MB to 200 share groups of one reader each, which does not read", run: (*attacker).groups},
	{name: "groups-many", what: "a client in as many share groups as it gets, and short messages to them", run: (*attacker).manyGroups},
	{name: "group-asleep", what: "short messages to a share group of sessions that are away", setup: (*attacker).fallAsleep, run: (*attacker).wakeGroup},
	{name: "routes-new", what: "75,000 filters that match one topic, whose route is made void before each message", run: (*attacker).newRoutes},
	{name: "handshakes", what: "TLS handshakes, one after the other", run: (*attacker).handshakes},
	{name: "half-handshakes", what: "ClientHello as fast as it is answered, and no more", run: (*attacker).halfHandshakes},
	{name: "last-wills", what: "1,000 clients that subscribe to each other's wills and are gone all at once, again and again", run: (*attacker).lastWills},
	{name: "take-overs", what: "40 clients that take each other's sessions with 500 filters over", run: (*attacker).takeOvers},
	{name: "filters-400k", what: "SUBSCRIBE and UNSUBSCRIBE with 400,000 filters", run: (*attacker).shortFilters},
	{name: "commands", what: "commands that are refused, short ones and of a megabyte", run: (*attacker).commands},
	{name: "replies", what: "commands whose answers 300 others have asked for", run: (*attacker).replies},
}

func (a *attacker) groups() {
	a.gather(200, func(k int) *client {
		return a.subscriber(mqtt.Level311, fmt.Sprint("shared", k), to(fmt.Sprintf("$share/g%d/fan", k), byte(k%2)))
	}, a.deaf, func() { a.publishBig("fan") })
}

// short publishes short messages to topic until the end, 500 in a write.
func (a *attacker) short(cl *client, topic string) {
	var b []byte
	for range 500 {
		b = mqtt.AppendPublish(b, mqtt.Level311, 0, topic, 0, nil, []byte("x"))
	}
	for !a.over() && cl.write(b) == nil {
	}
}

func (a *attacker) manyGroups() {
	parallel(4, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("groups", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for i := range 100 {
			filters := make([]mqtt.Subscription, 100)
			for j := range filters {
				filters[j].Filter = fmt.Sprintf("$share/%d-%d-%d/many", k, i, j)
			}
			if cl.subscribe(uint16(i+1), filters...) != nil {
				return
			}
		}
		a.short(cl, "many")
	})
	a.wait()
}

func (a *attacker) fallAsleep() {
	parallel(8, func(k int) {
		for i := 0; i < 2500 && !a.over(); i++ {
			cl := a.connect(mqtt.Level311, fmt.Sprintf("asleep%d-%d", k, i), func(c *mqtt.Connect) { c.CleanStart = false })
			if cl == nil {
				return
			}
			_ = cl.subscribe(1, mqtt.Subscription{Filter: "$share/g/asleep", QoS: 1})
			_, _ = cl.frame() // until it has subscribed
			cl.close()
		}
	})
}

func (a *attacker) wakeGroup() {
	parallel(4, func(k int) {
		if cl := a.connect(mqtt.Level311, fmt.Sprint("waker", k)); cl != nil {
			defer cl.close()
			go cl.drain()
			a.short(cl, "asleep")
		}
	})
	a.wait()
}

// wideFilters are 256 that match a topic of eight levels of one character: each level is itself
// or a wildcard.
func wideFilters(topic string) []mqtt.Subscription {
	filters := make([]mqtt.Subscription, 256)
	for i := range filters {
		f := []byte(topic)
		for level := range 8 {
			if i>>level&1 == 1 {
				f[2*level] = '+'
			}
		}
		filters[i].Filter = string(f)
	}
	return filters
}

func (a *attacker) newRoutes() { a.newRoutesWith(0) }

// newRoutesWith publishes with the flags.
func (a *attacker) newRoutesWith(flags byte) {
	const topic = "a/b/c/d/e/f/g/h"
	a.gather(300, func(k int) *client {
		return a.subscriber(mqtt.Level311, fmt.Sprint("wide", k), wideFilters(topic))
	}, a.reads, func() {
		cl := a.connect(mqtt.Level311, "publisher")
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		var b []byte
		for range 50 {
			b = mqtt.AppendSubscribe(b, cl.level, mqtt.Subscribe{ID: 1, Filters: to("x", 0)})
			b = mqtt.AppendUnsubscribe(b, cl.level, 2, []string{"x"})
			b = mqtt.AppendPublish(b, cl.level, flags, topic, 0, nil, []byte("x"))
		}
		for !a.over() && cl.write(b) == nil {
		}
	})
}

func (a *attacker) handshakes() {
	parallel(32, func(int) {
		for !a.over() {
			nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", a.secure, &tls.Config{InsecureSkipVerify: true}) // our own test certificate
			if err == nil {
				_ = nc.Close()
			}
		}
	})
}

// halfHandshakes sends the ClientHello again and again, which costs it next to nothing, and
// never goes on.
func (a *attacker) halfHandshakes() {
	hello := clientHello()
	parallel(32, func(int) {
		for !a.over() {
			cl, err := dial(a.secure)
			if err != nil {
				continue
			}
			_ = cl.write(hello)
			_, _ = cl.r.ReadByte() // until the other side has signed
			cl.close()
		}
	})
}

// clientHello returns what a TLS client sends first.
func clientHello() []byte {
	ours, theirs := net.Pipe()
	go func() { _ = tls.Client(ours, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	b := make([]byte, 16<<10)
	n, _ := theirs.Read(b)
	_ = theirs.Close()
	return b[:n]
}

func (a *attacker) lastWills() {
	for round := 0; !a.over(); round++ {
		var all sync.Map
		parallel(20, func(k int) {
			for i := 0; i < 50 && !a.over(); i++ {
				cl := a.connect(mqtt.Level311, fmt.Sprintf("mortal%d-%d", k, i), func(c *mqtt.Connect) {
					c.Will = &mqtt.Will{Topic: "dead", Payload: make([]byte, 1000), QoS: 1}
				})
				if cl == nil {
					continue
				}
				_ = cl.subscribed(to("dead", 1)...) // one that could not is gone with the others
				go cl.drain()
				all.Store(cl, true)
			}
		})
		all.Range(func(cl, _ any) bool { cl.(*client).close(); return true })
	}
}

func (a *attacker) takeOvers() {
	filters := make([]mqtt.Subscription, 500)
	for i := range filters {
		filters[i] = mqtt.Subscription{Filter: fmt.Sprintf("taken/%d/+/#", i), QoS: 1}
	}
	parallel(40, func(k int) {
		for !a.over() {
			cl := a.connect(mqtt.Level311, fmt.Sprint("taken", k%5), func(c *mqtt.Connect) { c.CleanStart = k%3 == 0 })
			if cl == nil {
				continue
			}
			go cl.drain()
			_ = cl.subscribe(1, filters...)
		}
	})
}

func (a *attacker) shortFilters() {
	parallel(4, func(k int) {
		many := make([]mqtt.Subscription, 390_000)
		names := make([]string, len(many))
		for i := range many {
			names[i] = string(rune('a' + i%26))
			many[i].Filter = names[i]
		}
		b := mqtt.AppendSubscribe(nil, mqtt.Level311, mqtt.Subscribe{ID: 1, Filters: many})
		b = mqtt.AppendUnsubscribe(b, mqtt.Level311, 2, names)
		for !a.over() {
			cl := a.connect(mqtt.Level311, fmt.Sprint("many", k))
			if cl == nil {
				continue
			}
			go cl.drain()
			for !a.over() && cl.write(b) == nil {
			}
			cl.close()
		}
	})
}

func (a *attacker) commands() {
	deep := bytes.Repeat([]byte(`{"a":[`), 150_000)
	parallel(6, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("commander", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		var b []byte
		for i := range 500 {
			b = mqtt.AppendPublish(b, mqtt.Level311, mqtt.PublishFlags(1, false, false), "n/d/temperature/set", uint16(i+1), nil, []byte("21.5"))
		}
		if k%3 == 0 {
			b = mqtt.AppendPublish(nil, mqtt.Level311, mqtt.PublishFlags(1, false, false), "n/d/temperature/set", 1, nil, deep)
		}
		for !a.over() && cl.write(b) == nil {
		}
	})
}

func (a *attacker) replies() {
	both := append(to("answers", 1), to("n/#", 1)...)
	a.gather(300, func(k int) *client {
		return a.subscriber(mqtt.Level5, fmt.Sprint("asker", k), both)
	}, a.reads, func() {
		cl := a.subscriber(mqtt.Level5, "asker", both)
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		props := mqtt.AppendPublishProperties(nil, &mqtt.PublishProperties{ResponseTopic: "answers", CorrelationData: make([]byte, 60_000)}, 0)
		for i := 0; !a.over(); i++ {
			if cl.write(mqtt.AppendPublish(nil, mqtt.Level5, mqtt.PublishFlags(1, false, false), "n/d/temperature/set", uint16(1+i%60000), props, []byte("21.5"))) != nil {
				return
			}
		}
	})
}
