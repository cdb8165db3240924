package broker

import (
	"context"
	"crypto/tls"
	"net/http"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"sensorgate/broker/passwd"
	"sensorgate/internal/freeport"
	"sensorgate/internal/mqtt"
)

// keyChange is what one key does when a reload changes it.
type keyChange struct {
	network string // of the listener; "": tcp
	change  func(t *testing.T, o *Options, l *Limits)
	// holds reports whether the key counts as changed for who comes now.
	holds func(t *testing.T, r *reloaded) bool
}

// announced is a key that CONNACK has.
func announced(set func(l *Limits), is func(a mqtt.Connack) bool) keyChange {
	return keyChange{
		change: func(_ *testing.T, _ *Options, l *Limits) { set(l) },
		holds: func(t *testing.T, r *reloaded) bool {
			c := dial(t, r.b, mqtt.Level5)
			defer c.disconnect()
			return is(c.handshake("new", user("ann", "pw-ann"), func(c *mqtt.Connect) { c.KeepAlive = 600 }))
		},
	}
}

// refuses is a key that has a client refused.
func refuses(reason mqtt.Reason, level byte, set func(o *Options, l *Limits), connect ...func(*mqtt.Connect)) keyChange {
	return keyChange{
		change: func(_ *testing.T, o *Options, l *Limits) { set(o, l) },
		holds: func(t *testing.T, r *reloaded) bool {
			got := reasonOf(t, r.b, level, "new", connect...)
			if got != reason && got != mqtt.Success {
				t.Errorf("refused with %v, want %v", got, reason)
			}
			return got == reason
		},
	}
}

// limitKeys are those that a listener and the broker have.
var limitKeys = map[string]keyChange{
	"max_packet_size": announced(func(l *Limits) { l.MaxPacketSize = 2048 }, func(a mqtt.Connack) bool { return a.MaximumPacket == 2048 }),
	"max_per_address": refuses(mqtt.ConnectionRateExceeded, mqtt.Level5, func(_ *Options, l *Limits) { l.MaxPerAddress = 1 }, user("ann", "pw-ann")),
	"max_qos":         announced(func(l *Limits) { l.MaxQoS = ptr(1) }, func(a mqtt.Connack) bool { return a.HasMaximumQoS && a.MaximumQoS == 1 }),
	"receive_maximum": announced(func(l *Limits) { l.ReceiveMaximum = 7 }, func(a mqtt.Connack) bool { return a.ReceiveMaximum == 7 }),
	"max_keepalive": announced(func(l *Limits) { l.MaxKeepAlive = time.Minute },
		func(a mqtt.Connack) bool { return a.HasKeepAlive && a.ServerKeepAlive == 60 }),
	"server_keepalive": announced(func(l *Limits) { l.ServerKeepAlive = 2 * time.Minute },
		func(a mqtt.Connack) bool { return a.HasKeepAlive && a.ServerKeepAlive == 120 }),
	"protocols": refuses(mqtt.UnsupportedVersion, mqtt.Level311, func(_ *Options, l *Limits) { l.Protocols = []string{"5"} }, user("ann", "pw-ann")),
	"anonymous": refuses(mqtt.NotAuthorized, mqtt.Level5, func(_ *Options, l *Limits) { l.Anonymous = ptr(false) }),
}

// brokerKeys are those of [broker] alone.
var brokerKeys = map[string]keyChange{
	"max_clients": refuses(mqtt.QuotaExceeded, mqtt.Level5, func(o *Options, _ *Limits) { o.MaxClients = 1 }, user("ann", "pw-ann")),
	"max_sessions": refuses(mqtt.QuotaExceeded, mqtt.Level5, func(o *Options, _ *Limits) { o.MaxSessions = 1 }, user("ann", "pw-ann"),
		func(c *mqtt.Connect) { c.SessionExpiry = 60 }),
	"passwords": {
		change: func(t *testing.T, o *Options, _ *Limits) {
			f, err := passwd.Load(o.Passwords)
			if err != nil {
				t.Fatal(err)
			}
			f["carl"] = passwd.Hash([]byte("pw-carl"))
			o.Passwords = filepath.Join(t.TempDir(), "passwd")
			if err := f.Save(o.Passwords); err != nil {
				t.Fatal(err)
			}
		},
		holds: func(t *testing.T, r *reloaded) bool {
			return reasonOf(t, r.b, mqtt.Level5, "new", user("carl", "pw-carl")) == mqtt.Success
		},
	},
	"acl": {
		change: func(t *testing.T, o *Options, _ *Limits) {
			o.ACL = writeFile(t, "acl", "user ann\ntopic readwrite allowed\n")
		},
		holds: func(t *testing.T, r *reloaded) bool {
			c := connect(t, r.b, mqtt.Level5, "new", user("ann", "pw-ann"))
			defer c.disconnect()
			c.publish("closed", "x", 1, 1)
			a, err := mqtt.ParseAck(c.frame(mqtt.PUBACK), c.level)
			return err == nil && a.Reason == mqtt.NotAuthorized
		},
	},
	"memory": {
		change: func(_ *testing.T, o *Options, _ *Limits) { o.Memory = 1 << 20 },
		holds: func(t *testing.T, r *reloaded) bool {
			c := connect(t, r.b, mqtt.Level5, "new", user("ann", "pw-ann"))
			c.write(mqtt.AppendPublish(nil, c.level, mqtt.PublishFlags(0, false, false), "x", 0, nil, make([]byte, 500_000)))
			c.write([]byte{0xc0, 0})
			f, err := c.next()
			_ = c.nc.Close()
			return err != nil || f.Type == mqtt.DISCONNECT
		},
	},
	"max_queued": { // the session is there already
		change: func(_ *testing.T, o *Options, _ *Limits) { o.MaxQueued = 20_000 },
		holds: func(t *testing.T, r *reloaded) bool {
			for range 40 {
				_ = r.b.Publish(t.Context(), mqtt.Message{Topic: "queued", QoS: 1, Payload: make([]byte, 1000)}) // memory only: it is taken
			}
			return sessionOf(r.b, "kept").queue.Stats().WaitingBytes <= 20_000
		},
	},
	"session_expiry": { // of the session that is there, and of a new one
		change: func(_ *testing.T, o *Options, _ *Limits) { o.SessionExpiry = time.Hour },
		holds: func(t *testing.T, r *reloaded) bool {
			c := dial(t, r.b, mqtt.Level5)
			defer c.disconnect()
			ack := c.handshake("new", user("ann", "pw-ann"), func(c *mqtt.Connect) { c.SessionExpiry = 7200 })
			ends := time.Until(sessionOf(r.b, "kept").info().Expires)
			if shorter := ends <= time.Hour; shorter != ack.HasSessionExpiry {
				t.Errorf("a session that is there ends in %v, a new one in %d s", ends, ack.SessionExpiry)
			}
			return ack.HasSessionExpiry && ack.SessionExpiry == 3600
		},
	},
}

// subjectOf returns whose certificate a listener shows.
func subjectOf(t *testing.T, r *reloaded, certificates ...tls.Certificate) (name string, err error) {
	t.Helper()
	nc, err := tls.Dial("tcp", r.b.Addrs()[0].String(), &tls.Config{InsecureSkipVerify: true, Certificates: certificates})
	if err != nil {
		return "", err
	}
	defer nc.Close()
	c := newClient(t, nc, mqtt.Level5)
	_, _ = nc.Write(mqtt.AppendConnect(nil, &mqtt.Connect{Level: mqtt.Level5, CleanStart: true, ClientID: "new"})) // what comes back says whether it is let in
	_, err = c.next()
	return nc.ConnectionState().PeerCertificates[0].Subject.CommonName, err
}

// listenerKeys are those of a listener alone. url and path are another listener:
// TestReloadOpensAndClosesListeners.
var listenerKeys = map[string]keyChange{
	"max_clients": refuses(mqtt.QuotaExceeded, mqtt.Level5, func(o *Options, _ *Limits) { o.Listeners[0].MaxClients = 1 }, user("ann", "pw-ann")),
	"cert": {
		network: "tls",
		change: func(t *testing.T, o *Options, _ *Limits) {
			o.Listeners[0].Cert, o.Listeners[0].Key = newAuthority(t).issue("renewed")
		},
		holds: func(t *testing.T, r *reloaded) bool {
			name, err := subjectOf(t, r)
			if err != nil {
				t.Error(err)
			}
			return name == "renewed"
		},
	},
	"client_ca": {
		network: "tls",
		change: func(t *testing.T, o *Options, _ *Limits) {
			o.Listeners[0].ClientCA = newAuthority(t).file
		},
		holds: func(t *testing.T, r *reloaded) bool {
			_, err := subjectOf(t, r)
			return err != nil
		},
	},
	"origins": {
		network: "ws",
		change: func(_ *testing.T, o *Options, _ *Limits) {
			o.Listeners[0].Origins = []string{"https://app.example.com"}
		},
		holds: func(t *testing.T, r *reloaded) bool {
			dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
			ws, answer, err := dialer.DialContext(context.Background(), "ws://"+r.b.Addrs()[0].String()+"/mqtt", http.Header{"Origin": {"https://app.example.com"}})
			if answer != nil {
				_ = answer.Body.Close()
			}
			if err == nil {
				_ = ws.Close()
			}
			return err == nil
		},
	},
}

// Each key of [broker] and of a listener, in either place, counts from a reload on for who comes,
// and drops nobody who is there.
func TestReloadOfEachKey(t *testing.T) {
	for name, key := range limitKeys {
		for _, where := range []string{"broker", "listener"} {
			t.Run(where+"/"+name, func(t *testing.T) { key.try(t, where == "listener") })
		}
	}
	for name, key := range brokerKeys {
		t.Run("broker/"+name, func(t *testing.T) { key.try(t, false) })
	}
	for name, key := range listenerKeys {
		t.Run("listener/"+name, func(t *testing.T) { key.try(t, true) })
	}
}

func (k keyChange) try(t *testing.T, ofListener bool) {
	network := k.network
	if network == "" {
		network = "tcp"
	}
	l := testListener(t, network)
	l.Address = "127.0.0.1:" + strconv.Itoa(freeport.Port(t))
	users := passwords(t, "ann")
	r := startReloaded(t, func(o *Options) {
		o.Listeners = []Listener{l}
		o.Passwords = users
		o.Anonymous = ptr(true)
	})
	stays := dialNetwork(t, r.b, network, mqtt.Level5)
	stays.handshake("stays", user("ann", "pw-ann"))
	stays.subscribe("stays", 1)
	kept := dialNetwork(t, r.b, network, mqtt.Level5)
	kept.handshake("kept", user("ann", "pw-ann"), func(c *mqtt.Connect) { c.SessionExpiry = 7200 })
	kept.subscribe("queued", 1)
	kept.disconnect()
	waitFor(t, "the end of the connection", func() bool { return r.b.Stats().Clients == 1 })
	if k.holds(t, r) {
		t.Fatal("it counts before it was changed")
	}
	waitFor(t, "the end of the connection", func() bool { return r.b.Stats().Clients == 1 })
	if err := r.reload(func(o *Options) {
		limits := &o.Limits
		if ofListener {
			limits = &o.Listeners[0].Limits
		}
		k.change(t, o, limits)
	}); err != nil {
		t.Fatal(err)
	}
	if !k.holds(t, r) {
		t.Error("it does not count after the reload")
	}
	stays.ping()
}

// A client that may not read a topic any more gets nothing of it from the reload on, although
// where its messages go was worked out before.
func TestReloadTakesThePermissionToRead(t *testing.T) {
	rules := writeFile(t, "acl", "user ann\ntopic readwrite #\nuser bob\ntopic readwrite #\n")
	users := passwords(t, "ann", "bob")
	r := startReloaded(t, func(o *Options) { o.Passwords, o.ACL = users, rules })
	sub := connect(t, r.b, mqtt.Level5, "sub", user("bob", "pw-bob"))
	sub.subscribe("secret", 0)
	sub.subscribe("open", 0)
	pub := connect(t, r.b, mqtt.Level5, "pub", user("ann", "pw-ann"))
	pub.publish("secret", "before", 0, 0)
	sub.want("secret", "before")
	if err := r.reload(func(o *Options) {
		o.ACL = writeFile(t, "acl", "user ann\ntopic readwrite #\nuser bob\ntopic read open\n")
	}); err != nil {
		t.Fatal(err)
	}
	pub.publish("secret", "after", 0, 0)
	pub.publish("open", "after", 0, 0)
	sub.want("open", "after")
}

// A key that is added has a row above, or a test that is named here.
func TestEachKeyHasItsReload(t *testing.T) {
	elsewhere := map[string]bool{"key": true} // with cert
	has := func(of any, rows ...map[string]keyChange) {
		for f := range reflect.TypeOf(of).Fields() {
			name := f.Tag.Get("toml")
			found := name == "" || elsewhere[name]
			for _, r := range rows {
				_, ok := r[name]
				found = found || ok
			}
			if !found {
				t.Errorf("%T has a key %q that no reload is tested with", of, name)
			}
		}
	}
	has(Limits{}, limitKeys)
	has(Options{}, brokerKeys)
	has(Listener{}, listenerKeys)
}
