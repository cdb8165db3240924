package attack

import (
	"fmt"
	"time"

	"sensorgate/internal/mqtt"
)

// shareRows attack by what subscriptions cost at each message: share groups, and routes that
// have to be worked out again.
var shareRows = []row{
	{name: "groups", what: "1 MB to 200 share groups of one reader each, which does not read", run: (*attacker).groups},
	{name: "groups-many", what: "a client in as many share groups as it gets, and short messages to them", run: (*attacker).manyGroups},
	{name: "group-asleep", what: "short messages to a share group of sessions that are away", setup: (*attacker).fallAsleep, run: (*attacker).wakeGroup},
	{name: "routes-new", what: "75,000 filters that match one topic, whose route is made void before each message", run: (*attacker).newRoutes},
}

func (a *attacker) groups() {
	parallel(201, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("shared", k))
		if cl == nil {
			return
		}
		defer cl.close()
		if k < 200 {
			_ = cl.subscribe(1, mqtt.Subscription{Filter: fmt.Sprintf("$share/g%d/fan", k), QoS: byte(k % 2)})
			a.wait()
			return
		}
		time.Sleep(300 * time.Millisecond) // until they have subscribed
		for !a.over() && cl.publish("fan", make([]byte, 1<<20), 1, false, 1) == nil {
		}
	})
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

func (a *attacker) newRoutes() {
	const topic = "a/b/c/d/e/f/g/h"
	parallel(300, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("wide", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		filters := make([]mqtt.Subscription, 256) // each level is itself or a wildcard
		for i := range filters {
			f := []byte(topic)
			for level := range 8 {
				if i>>level&1 == 1 {
					f[2*level] = '+'
				}
			}
			filters[i].Filter = string(f)
		}
		_ = cl.subscribe(1, filters...)
		if k > 0 {
			a.wait()
			return
		}
		time.Sleep(2 * time.Second) // until they have subscribed
		var b []byte
		for range 50 {
			b = mqtt.AppendSubscribe(b, cl.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "x"}}})
			b = mqtt.AppendUnsubscribe(b, cl.level, 2, []string{"x"})
			b = mqtt.AppendPublish(b, cl.level, 0, topic, 0, nil, []byte("x"))
		}
		for !a.over() && cl.write(b) == nil {
		}
	})
}
