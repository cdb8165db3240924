package broker

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sensorgate/internal/mqtt"
)

// A client that is sent away may still read why, for a second. Its aliases do not take memory
// until then that nobody pays for: many such clients were many times the budget.
func TestAliasesOfWhoWasSentAwayTakeNoMemory(t *testing.T) {
	b := start(t)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	topic := strings.Repeat("x", 55_000)
	for k := range 20 {
		c := connect(t, b, mqtt.Level5, "")
		for i := range 60 {
			c.write(mqtt.AppendPublish(nil, mqtt.Level5, 0, fmt.Sprint(k, i, topic), 0, mqtt.AppendTopicAlias(nil, uint16(i+1)), nil))
		}
		c.ping()
		c.write(mqtt.AppendPublish(nil, mqtt.Level5, 0, topic, 0, mqtt.AppendTopicAlias(nil, maxAliases+1), nil))
		c.frame(mqtt.DISCONNECT) // and leaves the connection open
	}
	if grown := heap() - before; grown > 20<<20 {
		t.Errorf("%d MB are taken by clients that were sent away", grown>>20)
	}
}

// What the end of a connection has to tidy up is done later; its place is free at once.
func TestPlaceOfWhoHasDisconnectedIsFree(t *testing.T) {
	b := start(t, func(o *Options) { o.MaxClients, o.MaxPerAddress = 2, 2 })
	begun, goOn := make(chan struct{}), make(chan struct{})
	for range maxQuick {
		b.doIn(&b.aside.quick, maxQuick, func(*worker) { close(begun); <-goOn })
	}
	<-begun
	defer close(goOn)
	connect(t, b, mqtt.Level5, "stays")
	for range 3 {
		connect(t, b, mqtt.Level5, "").disconnect()
	}
	connect(t, b, mqtt.Level5, "last")
	if got := refused(t, b, mqtt.Level5); got == mqtt.Success {
		t.Error("a third client where two may be")
	}
}
