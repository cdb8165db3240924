package attack

import (
	"fmt"
	"net"
	"strings"
	"time"

	"sensorgate/internal/mqtt"
)

// lastRows are attacks on memory that was held without being counted.
var lastRows = []row{
	{name: "aliases-out", what: "64 topics of 50 KB each to 200 clients that take aliases", run: (*attacker).aliasesOut, long: true},
	{name: "routes-ids", what: "ever new topics that 1,000 filters with identifiers and 1,000 share groups match", run: (*attacker).longRoutes},
	{name: "long-logins", what: "wrong passwords with names of 20 KB and thousands of properties, from 60 addresses", run: (*attacker).longLogins, login: true},
	{name: "refused-open", what: "connections that are refused and never close", run: (*attacker).refusedOpen},
	{name: "bursts", what: "bursts of 16,000 short messages at QoS 1 from 150 clients to a session that is away", run: (*attacker).bursts},
	{name: "share-used-up", what: "long packets of clients of MQTT 5 that have used up their share", run: (*attacker).shareUsedUp},
}

func (a *attacker) aliasesOut() {
	long := strings.Repeat("x", 50_000)
	a.gather(200, func(k int) *client {
		return a.subscriber(mqtt.Level5, fmt.Sprint("out", k), to(fmt.Sprintf("o/%d/#", k), 0), func(c *mqtt.Connect) { c.TopicAliasMax = 64 })
	}, a.reads, func() {
		parallel(4, func(p int) {
			cl := a.connect(mqtt.Level311, fmt.Sprint("publisher", p))
			if cl == nil {
				return
			}
			defer cl.close()
			for i := range 64 {
				for k := p; k < 200; k += 4 {
					if a.over() || cl.publish(fmt.Sprintf("o/%d/%d%s", k, i, long), nil, 0, false, 0) != nil {
						return
					}
				}
			}
			a.wait()
		})
	})
}

func (a *attacker) longRoutes() {
	var filters [2][]mqtt.Subscription
	for i := range 1000 {
		levels := make([]string, 10)
		for k := range levels {
			if levels[k] = "x"; i>>k&1 == 1 {
				levels[k] = "+"
			}
		}
		filter := strings.Join(levels, "/") + "/+"
		filters[0] = append(filters[0], mqtt.Subscription{Filter: filter})
		filters[1] = append(filters[1], mqtt.Subscription{Filter: fmt.Sprintf("$share/g%d/x/x/x/x/x/x/x/x/x/x/+", i)})
	}
	a.gather(2, func(k int) *client {
		cl := a.connect(mqtt.Level5, fmt.Sprint("subscriber", k))
		if cl == nil || cl.write(mqtt.AppendSubscribe(nil, cl.level, mqtt.Subscribe{ID: 1, SubscriptionID: uint32(k + 1), Filters: filters[k]})) != nil {
			return nil
		}
		return cl
	}, a.reads, func() {
		parallel(40, func(p int) {
			cl := a.connectTLS(fmt.Sprint("publisher", p))
			for i := 0; cl != nil && !a.over(); i++ {
				if cl.publish(fmt.Sprint("x/x/x/x/x/x/x/x/x/x/", p, "-", i), nil, 0, false, 0) != nil {
					return
				}
			}
		})
	})
}

func (a *attacker) longLogins() {
	props := make([]mqtt.UserProperty, 8000)
	parallel(600, func(k int) {
		for i := 0; !a.over(); i++ {
			cl, err := dialFrom(net.IPv4(127, 0, 1, byte(k%60+1)), a.addr)
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			reason, err := cl.handshake(&mqtt.Connect{
				Level: mqtt.Level5, ClientID: fmt.Sprint("l", k), CleanStart: true, User: props, HasUsername: true, HasPassword: true,
				Username: fmt.Sprintf("%d-%d-%020000d", k, i, 1)[:20_000-i%2*19_000], Password: fmt.Appendf(nil, "guess %d", i),
			})
			if err == nil && reason == mqtt.Success {
				a.fault("a wrong password was right")
			}
			cl.close()
		}
	})
}

func (a *attacker) refusedOpen() {
	parallel(8, func(int) {
		for !a.over() {
			cl, err := dial(a.addr)
			if err != nil {
				time.Sleep(time.Millisecond)
				continue
			}
			_ = cl.write([]byte{0xf0, 0}) // it may be refused already
			time.AfterFunc(3*time.Second, cl.close)
		}
	})
}

func (a *attacker) shareUsedUp() {
	parallel(20, func(k int) {
		for i := 0; !a.over(); i++ {
			cl := a.connect(mqtt.Level5, fmt.Sprint("share", k))
			if cl == nil {
				time.Sleep(time.Millisecond)
				continue
			}
			for j := range 400 {
				if cl.publish(fmt.Sprintf("s/%d/%d", k, j), make([]byte, 30_000), 0, true, 0) != nil {
					break
				}
			}
			for range 10 {
				_ = cl.publish(fmt.Sprintf("s/%d", k), make([]byte, 300_000), 0, true, 0) // until it is closed
			}
			cl.close()
		}
	})
}

func (a *attacker) bursts() {
	away := a.subscriber(mqtt.Level311, "away", to("burst/#", 1), func(c *mqtt.Connect) { c.CleanStart = false })
	if away == nil {
		return
	}
	away.close()
	a.gather(150, func(k int) *client {
		return a.connect(mqtt.Level5, fmt.Sprint("burst", k))
	}, func(cl *client) {
		go cl.drain()
		var burst []byte
		for i := range 16_000 {
			burst = mqtt.AppendPublish(burst, cl.level, mqtt.PublishFlags(1, false, false), "burst/x", uint16(i+1), nil, []byte("v"))
		}
		for !a.over() && cl.write(burst) == nil {
		}
	}, func() {})
}
