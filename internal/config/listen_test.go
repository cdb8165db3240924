package config

import (
	"reflect"
	"testing"
	"time"

	"sensorgate/broker"
)

func ptr[T any](v T) *T { return &v }

// A listener is a text, or a table with what is different there; what it does not say is
// as in [broker].
func TestListenersAsTables(t *testing.T) {
	c := mustLoad(t, `node = "n"
data = ""
[broker]
cert = "all.crt"
key = "all.key"
passwords = "users"
origins = ["https://all"]
max_qos = 1
listen = [
  "tcp://127.0.0.1:1883",
  { url = "tls://:8883", max_clients = 50, anonymous = false },
  { url = "wss://:8443", cert = "own.crt", key = "own.key", client_ca = "ca.crt", origins = ["https://own"] },
  { url = "tcp://:1884", max_packet_size = "4KiB", max_per_address = 3, max_qos = 0, receive_maximum = 9, max_keepalive = "1m", server_keepalive = "30s", protocols = ["5"], anonymous = true },
]
`)
	want := []broker.Listener{
		{Network: "tcp", Address: "127.0.0.1:1883"},
		{Network: "tls", Address: ":8883", Cert: "all.crt", Key: "all.key", MaxClients: 50, Limits: broker.Limits{Anonymous: ptr(false)}},
		{Network: "wss", Address: ":8443", Path: "/mqtt", Cert: "own.crt", Key: "own.key", ClientCA: "ca.crt", Origins: []string{"https://own"}},
		{Network: "tcp", Address: ":1884", Limits: broker.Limits{MaxPacketSize: 4096, MaxPerAddress: 3, MaxQoS: ptr(0), ReceiveMaximum: 9,
			MaxKeepAlive: time.Minute, ServerKeepAlive: 30 * time.Second, Protocols: []string{"5"}, Anonymous: ptr(true)}},
	}
	if !reflect.DeepEqual(c.Broker.Listeners, want) {
		t.Errorf("listeners are\n%+v\nwant\n%+v", c.Broker.Listeners, want)
	}
	if c.Broker.MaxQoS == nil || *c.Broker.MaxQoS != 1 {
		t.Errorf("max_qos of all is %v", c.Broker.MaxQoS)
	}
}
