package attack

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"sensorgate/internal/mqtt"
)

// laterRows are variations on what moreRows found: other ways to the same work, and what comes
// due for many at one moment.
var laterRows = []row{
	{name: "fan-out-stored", what: "1 MB at QoS 1 to 200 persistent sessions that do not read", run: (*attacker).fanOutStored},
	{name: "fan-out-tls", what: "100 KB to 100 TLS clients that read", run: (*attacker).fanOutTLS},
	{name: "properties-many", what: "60 KB of user properties to 300 readers", run: (*attacker).propertiesToMany},
	{name: "routes-retained", what: "retained messages to a topic that 75,000 filters match, whose route is made void before each", run: (*attacker).newRoutesRetained},
	{name: "last-packets", what: "take-over of connections whose sockets hold 200 KB of costly packets", run: (*attacker).lastPackets},
	{name: "sys", what: "SUBSCRIBE with 1,000 filters below $SYS, by 1,000 clients", run: (*attacker).subscribeSys},
	{name: "due-at-once", what: "sessions of 2 s with delayed wills and 50 filters, gone all at once, again and again", run: (*attacker).dueAtOnce},
	{name: "alias-churn", what: "every alias set to another topic of 60 KB with every message", run: (*attacker).aliasChurn},
	{name: "auth", what: "AUTH packets, in and before the connection", run: (*attacker).auth},
	{name: "group-churn", what: "a share group whose members come and go, and # with 3,000 retained", setup: retainMany(3000, 1), run: (*attacker).groupChurn},
	{name: "websocket", what: "frames of one byte, pings and endless fragments", run: (*attacker).frames},
	{name: "slow-handshakes", what: "500 TLS handshakes of a byte now and then", run: (*attacker).slowHandshakes},
	{name: "same-address", what: "wrong passwords of the user whose right one is tried, from the same address", run: (*attacker).sameAddress, login: true},
}

func (a *attacker) fanOutStored() {
	persistent := func(c *mqtt.Connect) { c.CleanStart = false }
	a.gather(200, func(k int) *client {
		return a.subscriber(mqtt.Level311, fmt.Sprint("stored", k), to("fan", 1), persistent)
	}, a.deaf, func() {
		cl := a.connect(mqtt.Level311, "publisher")
		if cl == nil {
			return
		}
		defer cl.close()
		for !a.over() && cl.publish("fan", make([]byte, 1<<20), 1, false, 1) == nil {
			_, _ = cl.frame() // the acknowledgement, or the time is over
		}
	})
}

// connectTLS is a client without persistent session; nil if it gets none.
func (a *attacker) connectTLS(id string) *client {
	config := &tls.Config{InsecureSkipVerify: true} // our own test certificate
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", a.secure, config)
	if err != nil {
		return nil
	}
	cl := newClient(nc)
	reason, err := cl.handshake(&mqtt.Connect{Level: mqtt.Level311, ClientID: id, CleanStart: true})
	if err != nil || reason != mqtt.Success {
		return nil
	}
	return cl
}

func (a *attacker) fanOutTLS() {
	a.gather(100, func(k int) *client {
		cl := a.connectTLS(fmt.Sprint("tls", k))
		if cl != nil && !cl.subscribed(to("fan", 0)...) {
			cl.close()
			return nil
		}
		return cl
	}, a.reads, func() {
		parallel(4, func(k int) {
			cl := a.connectTLS(fmt.Sprint("publisher", k))
			if cl == nil {
				return
			}
			defer cl.close()
			go cl.drain()
			for !a.over() && cl.publish("fan", make([]byte, 100_000), 0, false, 0) == nil {
			}
		})
	})
}

// toMany has n clients subscribe to topic and read, and one that publishes packet again and
// again.
func (a *attacker) toMany(n int, level byte, topic string, packet []byte) {
	a.gather(n, func(k int) *client {
		return a.subscriber(level, fmt.Sprint("reader", k), to(topic, 0))
	}, a.reads, func() {
		cl := a.connect(level, "publisher")
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for !a.over() && cl.write(packet) == nil {
		}
	})
}

func (a *attacker) propertiesToMany() {
	props := &mqtt.PublishProperties{}
	for range 30 {
		props.User = append(props.User, mqtt.UserProperty{Key: "a", Value: fmt.Sprintf("%02000d", 1)})
	}
	a.toMany(300, mqtt.Level5, "wide", mqtt.AppendPublish(nil, mqtt.Level5, 0, "wide", 0, mqtt.AppendPublishProperties(nil, props, 0), []byte("x")))
}

func (a *attacker) newRoutesRetained() { a.newRoutesWith(mqtt.PublishFlags(0, false, true)) }

func (a *attacker) lastPackets() {
	const topic = "a/b/c/d/e/f/g/h"
	a.gather(100, func(k int) *client { // 25,600 filters match
		return a.subscriber(mqtt.Level311, fmt.Sprint("wide", k), wideFilters(topic))
	}, a.reads, func() {
		var b []byte
		for len(b) < 200_000 {
			b = mqtt.AppendSubscribe(b, mqtt.Level311, mqtt.Subscribe{ID: 1, Filters: to("x", 0)})
			b = mqtt.AppendUnsubscribe(b, mqtt.Level311, 2, []string{"x"})
			b = mqtt.AppendPublish(b, mqtt.Level311, 0, topic, 0, nil, []byte("x"))
		}
		for !a.over() {
			if cl := a.connect(mqtt.Level311, "last"); cl != nil {
				go cl.drain()
				_ = cl.write(b)
				time.AfterFunc(5*time.Second, cl.close)
			}
			time.Sleep(20 * time.Millisecond) // its pace: a take-over costs more than what it ends
		}
	})
}

func (a *attacker) subscribeSys() {
	parallel(1000, func(k int) {
		cl := a.connect(mqtt.Level311, fmt.Sprint("sys", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		filters := []mqtt.Subscription{{Filter: "$SYS/#"}}
		for i := 1; k < 20 && i < 1000; i++ { // each matches nearly all
			filters = append(filters, mqtt.Subscription{Filter: fmt.Sprintf("$SYS/broker/%c%s/#", 'a'+i%26, "bcdefghijklmnopqrst"[:i%19])})
		}
		for i := 0; !a.over() && cl.subscribe(uint16(1+i%60000), filters...) == nil; i++ {
			if k >= 20 {
				time.Sleep(time.Second)
			}
		}
	})
}

func (a *attacker) dueAtOnce() {
	filters := make([]mqtt.Subscription, 50)
	for i := range filters {
		filters[i].Filter = fmt.Sprintf("due/%d/+/#", i)
	}
	for round := 0; !a.over(); round++ {
		var all sync.Map
		parallel(20, func(k int) {
			for i := 0; i < 30 && !a.over(); i++ {
				cl := a.connect(mqtt.Level5, fmt.Sprintf("due%d-%d", k, i), func(c *mqtt.Connect) {
					c.SessionExpiry = 2
					c.Will = &mqtt.Will{Topic: "due/now", Payload: make([]byte, 1000), QoS: 1, Delay: 2}
				})
				if cl == nil {
					continue
				}
				_ = cl.subscribed(filters...) // one that could not is gone with the others
				go cl.drain()
				all.Store(cl, true)
			}
		})
		all.Range(func(cl, _ any) bool { cl.(*client).close(); return true })
		time.Sleep(2500 * time.Millisecond) // all is due at one time
	}
}

func (a *attacker) aliasChurn() {
	parallel(40, func(k int) {
		cl := a.connect(mqtt.Level5, fmt.Sprint("churn", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		for i := 0; !a.over(); i++ {
			props := mqtt.AppendTopicAlias(nil, uint16(1+i%64))
			if cl.write(mqtt.AppendPublish(nil, mqtt.Level5, 0, fmt.Sprintf("%05d%05d%050000d", k, i, 1), 0, props, nil)) != nil {
				return
			}
		}
	})
}

func (a *attacker) auth() {
	packet := []byte{0xf0, 2, 0x18, 0}
	parallel(20, func(k int) {
		for !a.over() {
			if k%2 == 0 {
				if cl, err := dial(a.addr); err == nil {
					_ = cl.write(packet)
					_, _ = cl.frame()
					cl.close()
				}
				continue
			}
			if cl := a.connect(mqtt.Level5, fmt.Sprint("auth", k)); cl != nil {
				_ = cl.write(bytes.Repeat(packet, 1000))
				cl.drain()
				cl.close()
			}
		}
	})
}

func (a *attacker) groupChurn() {
	parallel(20, func(k int) {
		cl := a.connect(mqtt.Level5, fmt.Sprint("member", k))
		if cl == nil {
			return
		}
		defer cl.close()
		go cl.drain()
		var b []byte
		for i := range 50 {
			b = mqtt.AppendSubscribe(b, mqtt.Level5, mqtt.Subscribe{ID: 1, Filters: []mqtt.Subscription{{Filter: "$share/g/#", QoS: 1}, {Filter: "r/#"}}})
			b = mqtt.AppendPublish(b, mqtt.Level5, 0, fmt.Sprint("r/0/", i), 0, nil, []byte("x"))
			b = mqtt.AppendUnsubscribe(b, mqtt.Level5, 2, []string{"$share/g/#"})
		}
		for !a.over() && cl.write(b) == nil {
		}
	})
}

func (a *attacker) frames() {
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}, HandshakeTimeout: 5 * time.Second}
	hello := mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level311, ClientID: "frames", CleanStart: true})
	parallel(30, func(k int) {
		for !a.over() {
			ws, _, err := dialer.Dial("ws://"+a.web+"/mqtt", nil)
			if err != nil {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			_ = ws.SetWriteDeadline(a.until.Add(time.Second)) // a fault shows at the Write
			go func() {
				for {
					if _, _, err := ws.ReadMessage(); err != nil {
						return
					}
				}
			}()
			nc := ws.NetConn()
			switch k % 3 {
			case 0: // a frame per byte
				err = ws.WriteMessage(websocket.BinaryMessage, hello)
				for !a.over() && err == nil {
					err = ws.WriteMessage(websocket.BinaryMessage, []byte{0xc0})
					if err == nil {
						err = ws.WriteMessage(websocket.BinaryMessage, []byte{0})
					}
				}
			case 1:
				for !a.over() && err == nil {
					err = ws.WriteControl(websocket.PingMessage, make([]byte, 125), a.until.Add(time.Second))
				}
			default: // a message that never ends, of empty fragments
				_, err = nc.Write([]byte{0x02, 0x80, 0, 0, 0, 0})
				more := bytes.Repeat([]byte{0x00, 0x80, 0, 0, 0, 0}, 1000)
				for !a.over() && err == nil {
					_ = nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
					_, err = nc.Write(more)
				}
			}
			_ = ws.Close()
		}
	})
}

func (a *attacker) slowHandshakes() {
	hello := clientHello()
	parallel(500, func(int) {
		for !a.over() {
			cl, err := dial(a.secure)
			if err != nil {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			for i := 0; i < len(hello) && !a.over() && cl.write(hello[i:i+1]) == nil; i++ {
				time.Sleep(20 * time.Millisecond)
			}
			cl.close()
		}
	})
}

func (a *attacker) sameAddress() {
	parallel(20, func(k int) {
		for i := 0; !a.over(); i++ {
			cl, err := dial(a.addr)
			if err != nil {
				continue
			}
			_, _ = cl.handshake(&mqtt.Connect{Level: mqtt.Level311, ClientID: fmt.Sprint("guess", k), CleanStart: true,
				HasUsername: true, Username: honestUser, HasPassword: true, Password: fmt.Append(nil, "wrong", k, "-", i)})
			cl.close()
		}
	})
}
