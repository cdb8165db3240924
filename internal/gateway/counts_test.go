package gateway

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sensorgate/drivers/serial"
	"sensorgate/internal/mqtt"
)

// What happens in the gateway is what its metrics count: messages by QoS, refused
// connections by reason, commands by result, reloads, the wire that a device has.
func TestWhatHappensIsCounted(t *testing.T) {
	far, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	defer far.Close()
	file := `[device.scale]
driver = "lines"
serial = { port = "` + path + `" }
[device.scale.channels]
weight = { column = 1 }
`
	g := startGateway(t, file)
	for qos := range byte(3) {
		for range qos + 1 {
			if err := g.broker.Publish(t.Context(), mqtt.Message{Topic: "x", QoS: qos}); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := g.Snapshot().Counts
	if got := before.Broker.ReceivedByQoS; got[1] < 2 || got[2] != 3 {
		t.Errorf("received by QoS: %v", got)
	}
	listener := g.listeners()[0]
	nc, err := net.Dial("tcp", listener)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.Write([]byte{0x30, 2, 0, 0}) // a PUBLISH comes first
	nc.Read(make([]byte, 1))
	await := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not counted: %+v", what, g.Snapshot().Counts)
			}
		}
	}
	await("a client that does not begin with CONNECT", func() bool { return g.Snapshot().Counts.Broker.RefusedFor["malformed"] == 1 })
	g.publish(mqtt.Message{Topic: "barn/nothing/here/set", Payload: []byte("on"), QoS: 1})
	g.publish(mqtt.Message{Topic: "barn/scale/weight/set", Payload: []byte("on"), QoS: 1})
	await("a command that nobody takes", func() bool { return g.Snapshot().Counts.Commands["refused"] >= 1 })
	await("the free space", func() bool { return g.Snapshot().Journal.Free > 0 })
	await("the device's port", func() bool { b := g.Snapshot().Counts.Buses; return len(b) == 1 && b[0].Bus == path })

	g.write("nonsense")
	if err := g.Reload(); err == nil {
		t.Error("nonsense was taken")
	}
	g.write("")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	after := g.Snapshot().Counts
	if after.Reloads != [2]uint64{1, 1} || time.Since(after.Reloaded) > time.Minute {
		t.Errorf("reloads %v at %s", after.Reloads, after.Reloaded)
	}
	if len(after.Buses) != 0 {
		t.Errorf("the device is gone, its port is still counted: %+v", after.Buses)
	}
}

// The metrics say when the certificates of the listeners end, as they are on the disk.
func TestCertificateEndIsReadFromTheDisk(t *testing.T) {
	if _, ok := certificateEnd(filepath.Join(t.TempDir(), "none")); ok {
		t.Error("a file that is not there has an end")
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := certificateEnd(broken); ok {
		t.Error("a broken file has an end")
	}
}
