package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	userfile "sensorgate/broker/passwd"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/web"
)

// The tree of topics has what a client with the same login could read, and no more.
func TestTopicTreeHasThePermissionsOfTheUser(t *testing.T) {
	dir := t.TempDir()
	passwords, acl := filepath.Join(dir, "passwd"), filepath.Join(dir, "acl")
	if err := (userfile.File{"ann": userfile.Hash([]byte("x"))}).Save(passwords); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(acl, []byte("user ann\ntopic readwrite room/#\ntopic read barn/note\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, "passwords = \""+passwords+"\"\nacl = \""+acl+"\"\n")
	b := g.page.broker
	admin := web.Asker{All: true}
	for _, p := range []web.Publication{{Topic: "room/light", Payload: "on", Retain: true}, {Topic: "barn/note", Payload: "\xff\x00"}, {Topic: "secret/x", Payload: strings.Repeat("ä", 600)}} {
		if p.Topic == "barn/note" {
			b.Topics(admin, "#") // from here on also what is not retained
		}
		if err := b.Publish(t.Context(), admin, p); err != nil {
			t.Fatal(err)
		}
	}
	topics := func(a web.Asker) (names []string) {
		all, _ := b.Topics(a, "#")
		for _, x := range all {
			if !strings.HasPrefix(x.Topic, "barn/gateway") && x.Topic != "barn/status" {
				names = append(names, x.Topic)
			}
			if x.Topic == "secret/x" && (x.Bytes != 1200 || len(x.Payload) > maxShown || x.Binary) || x.Topic == "barn/note" && !x.Binary {
				t.Errorf("%+v", x)
			}
		}
		return names
	}
	for who, want := range map[web.Asker]string{admin: "barn/note room/light secret/x", {User: "ann"}: "barn/note room/light", {User: "stranger"}: "barn/note", {}: "barn/note"} {
		if got := strings.Join(topics(who), " "); got != want {
			t.Errorf("%+v sees %q, want %q", who, got, want)
		}
	}
	if err := b.Publish(t.Context(), web.Asker{User: "ann"}, web.Publication{Topic: "secret/x"}); err == nil {
		t.Error("ann publishes where she may not")
	}
	if err := b.Publish(t.Context(), web.Asker{User: "ann"}, web.Publication{Topic: "room/light", Payload: "", Retain: true}); err != nil {
		t.Error(err)
	}
	if got := strings.Join(topics(admin), " "); got != "barn/note secret/x" {
		t.Errorf("after the retained message was removed: %s", got)
	}
}

func sizeOf(b *webBroker) (n int) {
	for topic, x := range b.newest {
		n += len(topic) + len(x.Payload)
	}
	for topic := range b.missed {
		n += len(topic)
	}
	return n
}

// What nobody has room for is counted, and a flood of topics does not fill the memory.
func TestTopicTreeIsBounded(t *testing.T) {
	b := &webBroker{newest: map[string]web.Topic{}, missed: map[string]bool{}}
	for i := range 3 * maxWatched {
		b.take(&mqtt.Message{Topic: "t/" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "/" + strings.Repeat("y", i%50) + "/" + string(rune(0x4e00+i)), Payload: make([]byte, 1<<10)})
	}
	if len(b.newest) != maxWatched || len(b.missed) > maxWatched {
		t.Errorf("%d topics and %d more are kept", len(b.newest), len(b.missed))
	}
	long := strings.Repeat("z", 60_000)
	clear(b.missed)
	for i := range maxWatched {
		b.take(&mqtt.Message{Topic: string(rune('0'+i%10)) + string(rune(0x4e00+i)) + long})
	}
	if n := sizeOf(b); n > 4*maxWatched*(maxShown+maxTopic) {
		t.Errorf("%d bytes of long topics are kept", n)
	}
	clear(b.missed)
	b.take(&mqtt.Message{Topic: "late", Payload: []byte("x")})
	if len(b.missed) != 1 {
		t.Fatalf("%d topics are missed, want the one without room", len(b.missed))
	}
	for topic := range b.newest { // a retained message is removed: there is room for one
		b.take(&mqtt.Message{Topic: topic, Retain: true})
		break
	}
	b.take(&mqtt.Message{Topic: "late", Payload: []byte("y")})
	if _, there := b.newest["late"]; !there || len(b.missed) != 0 {
		t.Errorf("there is room, and %d topics are missed", len(b.missed))
	}
	for _, x := range b.newest {
		if len(x.Payload) > 3*maxShown {
			t.Fatalf("%d bytes of a payload", len(x.Payload))
		}
	}
}
