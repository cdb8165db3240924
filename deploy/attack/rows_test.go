package attack

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sensorgate/internal/mqtt"
)

// attacker is what a row gets: where the gateway is, and until when it may go on.
type attacker struct {
	addr, secure, web, page string // where: TCP, TLS, WebSocket, HTTP
	until                   time.Time

	mu     sync.Mutex
	faults map[string]bool // what it got and should not have got
}

// fault notes something that the attacker should not have got.
func (a *attacker) fault(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.faults == nil {
		a.faults = map[string]bool{}
	}
	if len(a.faults) < 20 {
		a.faults[fmt.Sprintf(format, args...)] = true
	}
}

// report tells the process that started this one.
func (a *attacker) report() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for f := range a.faults {
		fmt.Println(strings.ReplaceAll(f, "\n", " "))
	}
}

// allRows are the whole table.
func allRows() []row { return slices.Concat(rows, moreRows, laterRows, lastRows, webRows) }

func (a *attacker) over() bool { return time.Now().After(a.until) }

// wait leaves everything as it is until the end.
func (a *attacker) wait() { time.Sleep(time.Until(a.until)) }

// row is one attack of the table. setup runs before the honest client is measured.
type row struct {
	name  string
	what  string
	setup func(a *attacker)
	run   func(a *attacker)
	login bool // the right password is tried meanwhile
	long  bool // it takes a while until it hurts
}

// short are the rows of make attack-check.
var short = []string{
	"none", "sessions-1000", "hash-900", "hash-100k", "routes", "aliases", "filters-190", "retained-150", "wills", "never-ack", "properties", "answers", "half-packets", "passwords",
	"http-slowloris", "http-sse", "http-logins", "http-forgeries", "http-strangers",
}

// rows are those of the first table that this broker failed, and variations on them.
var rows = []row{
	{name: "none", what: "nobody attacks: what the machine itself costs", run: (*attacker).wait},
	{name: "sessions", what: "persistent sessions under ever new client ids", run: func(a *attacker) { a.sessions("%023d") }, long: true},
	{name: "sessions-1000", what: "the same, ids of 1,000 bytes", run: func(a *attacker) { a.sessions("%01000d") }},
	{name: "sessions-60k", what: "the same, ids of 60,000 bytes", run: func(a *attacker) { a.sessions("%060000d") }},
	{name: "hash-900", what: "one SUBSCRIBE that names # 900 times, 3,000 retained at QoS 1", setup: retainMany(3000, 1), run: (*attacker).hash900},
	{name: "hash-100k", what: "SUBSCRIBE # at QoS 0 again and again, as many retained as are taken", setup: retainMany(100_000, 0), run: (*attacker).hashAgain},
	{name: "routes", what: "topics of 65 KB, ever new ones", run: (*attacker).longTopics},
	{name: "routes-tls", what: "the same by 40 TLS clients", run: (*attacker).longTopicsTLS},
	{name: "aliases", what: "64 aliases of 60 KB, 200 clients", run: (*attacker).aliases},
	{name: "filters-65k", what: "10,000 filters of 65 KB", run: func(a *attacker) { a.filters(10_000, func(i int) string { return fmt.Sprintf("%065000d", i) }) }},
	{name: "filters-190", what: "20,000 filters of 190 levels", run: func(a *attacker) {
		a.filters(20_000, func(i int) string { return fmt.Sprint(i) + strings.Repeat("/x", 189) })
	}},
	{name: "retained-150", what: "100,000 retained topics of 150 own levels", run: (*attacker).deepRetained},
	{name: "retained-60k", what: "retained messages of 60 KB from ever new clients", run: (*attacker).bigRetained},
	{name: "wills", what: "3,000 delayed wills of 60 KB", run: (*attacker).delayedWills},
	{name: "connects", what: "big CONNECTs, one after the other", run: (*attacker).bigConnects},
	{name: "never-ack", what: "50 readers that never acknowledge", run: (*attacker).neverAck},
	{name: "properties", what: "PUBLISH with 1.75 MB of user properties", run: (*attacker).properties},
	{name: "answers", what: "PINGREQ and PUBLISH at QoS 1, the answers never read", run: (*attacker).neverRead},
	{name: "half-packets", what: "200 packets of 1.9 MB that never end", run: (*attacker).halfPackets},
	{name: "fan-out", what: "1 MB to 200 subscribers that do not read", run: (*attacker).fanOut},
	{name: "fan-out-1000", what: "short messages to 1,000 subscribers", run: (*attacker).fanOut1000},
	{name: "half-logins", what: "1,000 connections with 60 KB of a CONNECT that never ends", run: (*attacker).halfLogins},
	{name: "passwords", what: "wrong passwords for known and unknown users from four addresses, as fast as they are refused", run: (*attacker).wrongPasswords, login: true},
	{name: "churn", what: "subscribe and unsubscribe as fast as it goes", run: (*attacker).churn},
}

// parallel runs n of them and waits.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// gather has n clients join and stay, until the end or as long as stay says, and runs then when
// all have joined: what is attacked is there before it is attacked. join returns nil for one that
// cannot.
func (a *attacker) gather(n int, join func(k int) *client, stay func(cl *client), then func()) {
	var joined sync.WaitGroup
	joined.Add(n)
	parallel(n+1, func(k int) {
		if k == n {
			joined.Wait()
			then()
			return
		}
		cl := join(k)
		joined.Done()
		if cl != nil {
			stay(cl)
			cl.close()
		}
	})
}

// deaf stays and never reads.
func (a *attacker) deaf(*client) { a.wait() }

// reads stays and reads until the end.
func (a *attacker) reads(cl *client) {
	time.AfterFunc(time.Until(a.until), cl.close)
	cl.drain()
}

// subscriber joins with subscriptions.
func (a *attacker) subscriber(level byte, id string, filters []mqtt.Subscription, change ...func(*mqtt.Connect)) *client {
	cl := a.connect(level, id, change...)
	if cl != nil && !cl.subscribed(filters...) {
		cl.close()
		return nil
	}
	return cl
}

// to is one filter.
func to(filter string, qos byte) []mqtt.Subscription {
	return []mqtt.Subscription{{Filter: filter, QoS: qos}}
}

func (a *attacker) connect(level byte, id string, change ...func(*mqtt.Connect)) *client {
	c := &mqtt.Connect{Level: level, ClientID: id, CleanStart: true}
	for _, f := range change {
		f(c)
	}
	cl, reason, err := connect(a.addr, c)
	if err != nil || reason != mqtt.Success {
		return nil
	}
	return cl
}

func (a *attacker) sessions(id string) {
	var n atomic.Int64
	parallel(8, func(int) {
		for !a.over() {
			i := n.Add(1)
			if i > 100_000 {
				return
			}
			if cl := a.connect(mqtt.Level311, fmt.Sprintf(id, i), func(c *mqtt.Connect) { c.CleanStart = false }); cl != nil {
				cl.close()
			}
		}
	})
}

func retainMany(n int, qos byte) func(a *attacker) {
	return func(a *attacker) {
		parallel(10, func(k int) { // one client may have an eighth
			cl := a.connect(mqtt.Level311, fmt.Sprint("retainer", k))
			if cl == nil {
				return
			}
			defer cl.close()
			there := make(chan bool)
			go func() { there <- cl.await(mqtt.PINGRESP) }()
			var b []byte
			for i := range n / 10 {
				b = mqtt.AppendPublish(b, cl.level, mqtt.PublishFlags(qos, false, true), fmt.Sprintf("r/%d/%d", k, i), uint16(1+i%60000), nil, []byte("value"))
				if len(b) > 16<<10 || i == n/10-1 {
					if cl.write(b) != nil {
						break
					}
					b = b[:0]
				}
			}
			_ = cl.write([]byte{0xc0, 0}) // PINGREQ; if it is gone, there says so
			<-there
		})
	}
}

func (a *attacker) hash900() {
	parallel(3, func(k int) {
		for i := 0; !a.over(); i++ {
			cl := a.connect(mqtt.Level311, fmt.Sprint("hash", k))
			if cl == nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			filters := make([]mqtt.Subscription, 900)
			for i := range filters {
				filters[i] = mqtt.Subscription{Filter: "#", QoS: 1}
			}
			_ = cl.subscribe(1, filters...) // a refusal is what is hoped for
			time.AfterFunc(500*time.Millisecond, cl.close)
			cl.drain()
		}
	})
}

func (a *attacker) hashAgain() {
	parallel(4, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("hash", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for i := 0; !a.over() && cl.subscribe(uint16(1+i%60000), mqtt.Subscription{Filter: "#"}) == nil; i++ {
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func longTopic(i int) string { return fmt.Sprintf("%065000d", i) }

func (a *attacker) longTopics() {
	cl := a.connect(mqtt.Level311, "long")
	for i := 0; cl != nil && !a.over() && cl.publish(longTopic(i), nil, 0, false, 0) == nil; i++ {
	}
	a.wait()
}

func (a *attacker) longTopicsTLS() {
	parallel(40, func(k int) {
		nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", a.secure, &tls.Config{InsecureSkipVerify: true}) // our own test certificate
		if err != nil {
			return
		}
		defer nc.Close()
		out := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprint("tls", k), CleanStart: true})
		for i := 0; !a.over(); i++ {
			_ = nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
			if _, err := nc.Write(out); err != nil {
				return
			}
			out = mqtt.AppendPublish(nil, mqtt.Level311, 0, longTopic(k*1_000_000+i), 0, nil, nil)
		}
	})
}

func (a *attacker) aliases() {
	parallel(200, func(k int) {
		cl := a.connect(mqtt.Level5, fmt.Sprint("alias", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for i := range 64 {
			topic := fmt.Sprintf("%05d%055000d", k, i)
			props := mqtt.AppendTopicAlias(nil, uint16(i+1))
			if a.over() || cl.write(mqtt.AppendPublish(nil, mqtt.Level5, 0, topic, 0, props, nil)) != nil {
				return
			}
		}
		a.wait()
	})
}

func (a *attacker) filters(n int, filter func(i int) string) {
	parallel(20, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("filters", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for i := range n / 20 {
			if a.over() || cl.subscribe(uint16(i+1), mqtt.Subscription{Filter: filter(k*n + i)}) != nil {
				return
			}
		}
		a.wait()
	})
}

func (a *attacker) deepRetained() {
	parallel(20, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("deep", k))
		if cl == nil {
			return
		}
		defer cl.close()
		for i := range 5000 {
			topic := fmt.Sprintf("%d/%d", k, i) + strings.Repeat("/x", 148)
			if a.over() || cl.publish(topic, []byte("v"), 0, true, 0) != nil {
				return
			}
		}
		a.wait()
	})
}

func (a *attacker) bigRetained() {
	payload := bytes.Repeat([]byte("x"), 60_000)
	parallel(8, func(k int) {
		for i := 0; !a.over(); i++ {
			cl := a.connect(mqtt.Level311, fmt.Sprintf("big%d-%d", k, i))
			if cl == nil {
				time.Sleep(time.Millisecond)
				continue
			}
			for j := range 20 {
				if cl.publish(fmt.Sprintf("big/%d/%d/%d", k, i, j), payload, 0, true, 0) != nil {
					break
				}
			}
			_ = cl.write([]byte{0xe0, 0}) // DISCONNECT; if it is gone, it is gone
			cl.close()
		}
	})
}

func (a *attacker) delayedWills() {
	payload := bytes.Repeat([]byte("x"), 60_000)
	parallel(20, func(k int) {
		for i := range 150 {
			if a.over() {
				return
			}
			cl := a.connect(mqtt.Level5, fmt.Sprintf("will%d-%d", k, i), func(c *mqtt.Connect) {
				c.SessionExpiry = 3600
				c.Will = &mqtt.Will{Topic: "w", Payload: payload, Delay: 3600}
			})
			if cl != nil {
				cl.close()
			}
		}
		a.wait()
	})
}

func (a *attacker) bigConnects() {
	props := &mqtt.PublishProperties{}
	for i := range 9000 {
		props.User = append(props.User, mqtt.UserProperty{Key: fmt.Sprint(i % 10), Value: "y"})
	}
	parallel(16, func(k int) {
		for i := 0; !a.over(); i++ {
			cl := a.connect(mqtt.Level5, fmt.Sprintf("connect%d-%d", k, i), func(c *mqtt.Connect) {
				c.Will = &mqtt.Will{Topic: "w", Payload: []byte("x"), Properties: props}
			})
			if cl != nil {
				_ = cl.write([]byte{0xe0, 0})
				cl.close()
			}
		}
	})
}

func (a *attacker) neverAck() {
	parallel(51, func(k int) {
		if k < 50 {
			for !a.over() {
				cl := a.connect(mqtt.Level311, fmt.Sprint("reader", k))
				if cl == nil {
					time.Sleep(50 * time.Millisecond)
					continue
				}
				_ = cl.subscribe(1, mqtt.Subscription{Filter: "flood", QoS: 1})
				cl.drain() // until it is disconnected
				cl.close()
			}
			return
		}
		cl := a.connect(mqtt.Level311, "flooder")
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		payload := make([]byte, 200)
		for i := 0; !a.over() && cl.publish("flood", payload, 1, false, uint16(1+i%60000)) == nil; i++ {
		}
	})
}

func (a *attacker) properties() {
	props := &mqtt.PublishProperties{}
	for range 290_000 {
		props.User = append(props.User, mqtt.UserProperty{Key: "a", Value: ""})
	}
	encoded := mqtt.AppendPublishProperties(nil, props, 0)
	parallel(4, func(k int) {
		for !a.over() {
			cl := a.connect(mqtt.Level5, fmt.Sprint("props", k))
			if cl == nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			go cl.drain()
			for !a.over() && cl.write(mqtt.AppendPublish(nil, mqtt.Level5, 1, "n/d/temperature", 1, encoded, []byte("1"))) == nil {
			}
			cl.close()
		}
	})
}

func (a *attacker) neverRead() {
	parallel(20, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("deaf", k))
		if cl == nil {
			return
		}
		defer cl.close()
		b := bytes.Repeat([]byte{0xc0, 0}, 8192)
		if k%2 == 0 {
			b = nil
			for i := range 1000 {
				b = mqtt.AppendPublish(b, mqtt.Level311, mqtt.PublishFlags(1, false, false), "x", uint16(i+1), nil, nil)
			}
		}
		for !a.over() && cl.write(b) == nil {
		}
		a.wait()
	})
}

func (a *attacker) halfPackets() {
	parallel(200, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("half", k))
		if cl == nil {
			return
		}
		defer cl.close()
		packet := mqtt.AppendPublish(nil, mqtt.Level311, 0, "x", 0, nil, make([]byte, 1_950_000))
		_ = cl.write(packet[:1_900_000])
		a.wait()
	})
}

func (a *attacker) fanOut() {
	a.gather(200, func(k int) *client {
		return a.subscriber(mqtt.Level311, fmt.Sprint("fan", k), to("fan", byte(k%2)))
	}, a.deaf, func() { a.publishBig("fan") })
}

// publishBig publishes a megabyte with QoS 1 again and again.
func (a *attacker) publishBig(topic string) {
	cl := a.connect(mqtt.Level311, "publisher")
	if cl == nil {
		return
	}
	defer cl.close()
	for !a.over() && cl.publish(topic, make([]byte, 1<<20), 1, false, 1) == nil {
	}
}

func (a *attacker) fanOut1000() {
	a.gather(1000, func(k int) *client {
		return a.subscriber(mqtt.Level311, fmt.Sprint("fan", k), to("fan", 0))
	}, a.reads, func() {
		if cl := a.connect(mqtt.Level311, "publisher"); cl != nil {
			defer cl.close()
			a.short(cl, "fan")
		}
	})
}

func (a *attacker) halfLogins() {
	var open sync.Map
	parallel(20, func(int) {
		for i := 0; i < 50 && !a.over(); i++ {
			cl, err := dial(a.addr)
			if err != nil {
				return
			}
			open.Store(cl, true)
			packet := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprintf("%065000d", 1), CleanStart: true})
			_ = cl.write(packet[:60_000])
		}
	})
	a.wait()
	open.Range(func(cl, _ any) bool { cl.(*client).close(); return true })
}

func (a *attacker) wrongPasswords() {
	parallel(40, func(k int) {
		for i := 0; !a.over(); i++ {
			user := honestUser
			if k%2 == 0 {
				user = fmt.Sprint("user", k)
			}
			cl, err := dialFrom(net.IPv4(127, 0, 0, byte(2+k%4)), a.addr) // not the honest user's address
			if err != nil {
				continue
			}
			_, _ = cl.handshake(&mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprint("guess", k), CleanStart: true,
				HasUsername: true, Username: user, HasPassword: true, Password: fmt.Append(nil, "wrong", i)})
			cl.close()
		}
	})
}

func (a *attacker) churn() {
	parallel(4, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("churn", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for i := 0; !a.over(); i++ {
			var b []byte
			for j := range 50 {
				f := fmt.Sprintf("c/%d/%d/+/#", k, j)
				b = mqtt.AppendSubscribe(b, cl.level, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: f}}})
				b = mqtt.AppendUnsubscribe(b, cl.level, 2, []string{f})
				b = mqtt.AppendPublish(b, cl.level, 0, fmt.Sprintf("c/%d", j), 0, nil, []byte("x"))
			}
			if cl.write(b) != nil {
				return
			}
		}
	})
}
