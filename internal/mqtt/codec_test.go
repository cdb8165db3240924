package mqtt

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/timing"
)

func frameOf(t testing.TB, b []byte) Frame {
	t.Helper()
	f, n, err := NextFrame(b, MaxRemaining)
	if err != nil || f.Raw == nil || n != len(b) {
		t.Fatalf("frame of % x: %v, %d", b, err, n)
	}
	return f
}

func TestVarint(t *testing.T) {
	// Table 2.4 of MQTT 3.1.1: the bounds of each length.
	for v, want := range map[int]string{
		0: "\x00", 127: "\x7f", 128: "\x80\x01", 16383: "\xff\x7f", 16384: "\x80\x80\x01",
		2097151: "\xff\xff\x7f", 2097152: "\x80\x80\x80\x01", 268435455: "\xff\xff\xff\x7f",
	} {
		b := AppendVarint(nil, v)
		if string(b) != want || VarintLen(v) != len(want) {
			t.Errorf("%d is written % x, want % x", v, b, want)
		}
		got, n, err := Varint(b)
		if got != v || n != len(want) || err != nil {
			t.Errorf("% x is read as %d (%d bytes, %v), want %d", b, got, n, err, v)
		}
		for i := range b {
			if _, n, err := Varint(b[:i]); n != 0 || err != nil {
				t.Errorf("% x: taken as whole", b[:i])
			}
		}
	}
	for _, bad := range []string{"\xff\xff\xff\xff\x01", "\x80\x80\x80\x80\x01", "\x80\x00", "\xff\x80\x00"} {
		if v, _, err := Varint([]byte(bad)); err == nil {
			t.Errorf("% x was taken as %d", bad, v)
		}
	}
}

func TestNextFrameRefusesWhatIsTooLargeBeforeItIsThere(t *testing.T) {
	_, need, err := NextFrame([]byte{0x30, 0xff, 0xff, 0x7f}, 64<<10)
	if !errors.Is(err, ErrPacketTooLarge) {
		t.Errorf("2 MB announced, 64 KB allowed: need %d, %v", need, err)
	}
	if _, need, err := NextFrame([]byte{0x30, 10, 1}, 64<<10); need != 12 || err != nil {
		t.Errorf("need %d, %v; want 12", need, err)
	}
}

func TestConnectRoundTrip(t *testing.T) {
	for _, level := range []byte{Level31, Level311, Level5} {
		c := &Connect{
			Level: level, CleanStart: true, KeepAlive: 60, ClientID: "id", Username: "u", HasUsername: true,
			Password: []byte("p"), HasPassword: true, RequestProblem: true,
			Will: &Will{Topic: "w", Payload: []byte("gone"), QoS: 2, Retain: true},
		}
		if level == Level5 {
			c.SessionExpiry, c.ReceiveMaximum, c.MaximumPacket, c.TopicAliasMax = 100, 20, 1000, 5
			c.Will.Delay = 7
			c.Will.Properties = &PublishProperties{ContentType: "text", User: []UserProperty{{"k", "v"}}, HasExpiry: true, MessageExpiry: 3}
		}
		got, err := ParseConnect(frameOf(t, AppendConnect(nil, c)))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("level %d: got %+v, %v, want %+v", level, got, err, c)
		}
	}
}

func TestConnackRoundTrip(t *testing.T) {
	want := Connack{
		SessionPresent: true, AssignedClientID: "x", ServerKeepAlive: 9, HasKeepAlive: true,
		SessionExpiry: 8, HasSessionExpiry: true, ReceiveMaximum: 7, TopicAliasMax: 6, MaximumPacket: 5, ReasonString: "r", ResponseInfo: "i",
	}
	got, err := ParseConnack(frameOf(t, AppendConnack(nil, Level5, &want)), Level5)
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, reason := range []Reason{Success, UnsupportedVersion, ClientIDNotValid, ServerUnavailable, BadUserNameOrPassword, NotAuthorized} {
		got, err := ParseConnack(frameOf(t, AppendConnack(nil, Level311, &Connack{Reason: reason})), Level311)
		if err != nil || got.Reason != reason {
			t.Errorf("3.1.1: %v became %v, %v", reason, got.Reason, err)
		}
	}
}

func TestPublishForward(t *testing.T) {
	props := &PublishProperties{
		PayloadFormat: 1, ContentType: "c", ResponseTopic: "r", CorrelationData: []byte{1, 2},
		User: []UserProperty{{"b", "1"}, {"a", "2"}}, MessageExpiry: 60, HasExpiry: true,
	}
	raw := AppendPublishProperties(nil, props, 60)
	raw = AppendSubscriptionID(AppendTopicAlias(raw, 3), 200)
	packet := AppendPublish(nil, Level5, PublishFlags(1, true, true), "t", 9, raw, []byte("x"))
	var p Publish
	if err := ParsePublish(frameOf(t, packet), Level5, &p); err != nil {
		t.Fatal(err)
	}
	if p.Alias != 3 || !p.HasExpiry || p.Expiry != 60 || p.ID != 9 || !p.Dup || !p.Retain || p.QoS != 1 || string(p.Payload) != "x" {
		t.Errorf("got %+v", p)
	}
	if p.FromClient() == nil {
		t.Error("a subscription identifier from a client was not seen")
	}
	got, err := ParsePublishProperties(p.Forward(nil))
	want := *props
	want.HasExpiry, want.MessageExpiry = false, 0
	if err != nil || !reflect.DeepEqual(got, &want) {
		t.Errorf("forwarded %+v, %v, want %+v", got, err, want)
	}
	if n := PublishSize(Level5, 1, 1, len(raw), 1); n != len(packet) {
		t.Errorf("PublishSize %d, packet has %d", n, len(packet))
	}
}

func TestRecordRoundTrip(t *testing.T) {
	m := Message{
		Topic: "a/b", Payload: []byte("x"), QoS: 2, Retain: true, Origin: "client/ü", Time: time.Unix(0, 12345),
		Properties: &PublishProperties{PayloadFormat: 1, ContentType: "c", CorrelationData: []byte{0}, User: []UserProperty{{"k", "v"}}, MessageExpiry: 9, HasExpiry: true},
	}
	rec := AppendMarkedRecord(nil, &m, RecordMark{Shared: true, PacketID: 77})
	got, err := ParseRecord(rec)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v, want %+v", got, err, m)
	}
	v, err := ViewRecord(rec)
	if err != nil || !v.Shared || v.AsRetained || v.PacketID != 77 {
		t.Errorf("marks %+v, %v", v.RecordMark, err)
	}
	props, err := ParsePublishProperties(v.AppendProperties(nil))
	want := *m.Properties
	want.HasExpiry, want.MessageExpiry = false, 0
	if err != nil || !reflect.DeepEqual(props, &want) {
		t.Errorf("properties %+v, %v", props, err)
	}
	for i := range rec {
		if got, err := ParseRecord(rec[:i]); err == nil && len(got.Payload) >= len(m.Payload) {
			t.Errorf("cut to %d bytes it is taken whole", i)
		}
	}
}

// TestManyPropertiesAreCheap: CVE-2023-3592 and mosquitto 2.0.12, 64 KB of properties.
func TestManyPropertiesAreCheap(t *testing.T) {
	timing.Judged(t)
	raw := bytes.Repeat([]byte{propUser, 0, 1, 'k', 0, 1, 'v'}, 9000)
	packet := AppendPublish(nil, Level5, 0, "t", 0, raw, nil)
	f := frameOf(t, packet)
	best := time.Hour
	for range 5 {
		begin := time.Now()
		var p Publish
		if err := ParsePublish(f, Level5, &p); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(begin))
	}
	if best > 5*time.Millisecond {
		t.Errorf("63 KB of properties take %v, want less than 5 ms", best)
	}
}

func TestParsePublishAllocatesNothing(t *testing.T) {
	raw := AppendPublishProperties(nil, &PublishProperties{ContentType: "c", User: []UserProperty{{"k", "v"}}}, 0)
	f := frameOf(t, AppendPublish(nil, Level5, 2, "a/b", 1, raw, make([]byte, 256)))
	var p Publish
	if n := testing.AllocsPerRun(100, func() { _ = ParsePublish(f, Level5, &p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTopics(t *testing.T) {
	for filter, topics := range map[string][]string{
		// 4.7.1 of the standard, example by example.
		"sport/tennis/player1/#": {"sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"},
		"sport/#":                {"sport", "sport/x"},
		"#":                      {"a", "/a", "a/b"},
		"sport/tennis/+":         {"sport/tennis/player1", "sport/tennis/"},
		"sport/+":                {"sport/"},
		"+/+":                    {"/finance"},
		"/+":                     {"/finance"},
		"+/monitor/Clients":      {"x/monitor/Clients"},
		"$SYS/#":                 {"$SYS/", "$SYS/a", "$SYS"},
		"$SYS/monitor/+":         {"$SYS/monitor/Clients"},
	} {
		for _, topic := range topics {
			if !Match(filter, topic) {
				t.Errorf("%q does not match %q", filter, topic)
			}
		}
	}
	for filter, topic := range map[string]string{
		"sport/tennis/+": "sport/tennis/player1/ranking", "sport/+": "sport", "+": "/finance",
		"#": "$SYS/x", "+/monitor/Clients": "$SYS/monitor/Clients", "a": "A", "a/": "a",
	} {
		if Match(filter, topic) {
			t.Errorf("%q matches %q", filter, topic)
		}
	}
	if err := CheckTopic(strings.Repeat("/", 65535)); err == nil {
		t.Error("65,535 levels are taken (CVE-2019-11779)")
	}
}

func seeds(f *testing.F) {
	for _, level := range []byte{Level31, Level311, Level5} {
		f.Add(AppendConnect(nil, &Connect{Level: level, ClientID: "c", Will: &Will{Topic: "w"}, ReceiveMaximum: 1}), level)
		f.Add(AppendPublish(nil, level, 2, "t", 1, []byte{propTopicAlias, 0, 1}, []byte("x")), level)
		f.Add(AppendSubscribe(nil, level, Subscribe{ID: 1, SubscriptionID: 5, Filters: []Subscription{{Filter: "a/#", QoS: 1}}}), level)
		f.Add(AppendUnsubscribe(nil, level, 1, []string{"a"}), level)
		f.Add(AppendAck(nil, PUBREC, level, 1, QuotaExceeded), level)
		f.Add(AppendDisconnect(nil, level, Unspecified, "why"), level)
		f.Add(AppendConnack(nil, level, &Connack{AssignedClientID: "x"}), level)
		f.Add(AppendSuback(nil, SUBACK, level, 1, []Reason{0, 1}), level)
		f.Add([]byte{0xf0, 2, 0x18, 0}, level)
	}
}

// FuzzDecode: whatever comes in, no parser panics, reads outside the packet, or takes
// something that its own encoder would write differently.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte, level byte) {
		fr, _, err := NextFrame(b, 1<<20)
		if err != nil || fr.Raw == nil {
			return
		}
		switch fr.Type {
		case CONNECT:
			if c, err := ParseConnect(fr); err == nil {
				again, err := ParseConnect(frameOf(t, AppendConnect(nil, c)))
				if err != nil || again.ClientID != c.ClientID || !reflect.DeepEqual(again.Will, c.Will) {
					t.Errorf("%+v became %+v, %v", c, again, err)
				}
			}
		case CONNACK:
			_, _ = ParseConnack(fr, level)
		case PUBLISH:
			fuzzPublish(t, fr, level)
		case PUBACK, PUBREC, PUBREL, PUBCOMP:
			if a, err := ParseAck(fr, level); err == nil {
				again, err := ParseAck(frameOf(t, AppendAck(nil, fr.Type, level, a.ID, a.Reason)), level)
				if err != nil || again != a {
					t.Errorf("%+v became %+v, %v", a, again, err)
				}
			}
		case SUBSCRIBE:
			if s, err := ParseSubscribe(fr, level); err == nil {
				again, err := ParseSubscribe(frameOf(t, AppendSubscribe(nil, level, s)), level)
				if err != nil || !reflect.DeepEqual(again, s) {
					t.Errorf("%+v became %+v, %v", s, again, err)
				}
			}
		case UNSUBSCRIBE:
			_, _, _ = ParseUnsubscribe(fr, level)
		case SUBACK, UNSUBACK:
			_, _, _ = ParseSuback(fr, level)
		case DISCONNECT:
			_, _ = ParseDisconnect(fr, level)
		case AUTH:
			_ = ParseAuth(fr)
		default:
			_ = CheckEmpty(fr)
		}
	})
}

func fuzzPublish(t *testing.T, fr Frame, level byte) {
	var p Publish
	if ParsePublish(fr, level, &p) != nil {
		return
	}
	if level == Level5 {
		props, err := ParsePublishProperties(p.Forward(nil))
		if err != nil {
			t.Errorf("what is forwarded of % x is not readable: %v", fr.Raw, err)
		}
		_ = AppendPublishProperties(nil, props, 1)
	}
	again := AppendPublish(nil, level, fr.Flags, string(p.Topic), p.ID, p.Props, p.Payload)
	if !bytes.Equal(again, fr.Raw) {
		t.Errorf("% x became % x", fr.Raw, again)
	}
}

// A record names those who get it by a shared subscription; whoever does not care reads the message.
func TestRecordNamesWhoShares(t *testing.T) {
	m := Message{Topic: "a/b", Payload: []byte("x"), QoS: 2, Origin: "client/c"}
	rec := AppendMarkedRecord(nil, &m, RecordMark{SharedBy: []string{"one", "two"}, PacketID: 7})
	v, err := ViewRecord(rec)
	if err != nil || v.PacketID != 7 || string(v.Topic) != "a/b" || string(v.Payload) != "x" {
		t.Fatalf("%+v, %v", v, err)
	}
	for client, want := range map[string]bool{"one": true, "two": true, "three": false, "": false} {
		if v.SharedFor(client) != want {
			t.Errorf("shared for %q: %v", client, !want)
		}
	}
	if got, err := ParseRecord(rec); err != nil || got.Topic != m.Topic || string(got.Payload) != "x" {
		t.Errorf("%+v, %v", got, err)
	}
	if rec[0] == recordVersion {
		t.Error("a program that knows nothing of it would read it wrongly")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(AppendMarkedRecord(nil, &Message{Topic: "a", QoS: 2}, RecordMark{SharedBy: []string{"one"}}))
	f.Add(AppendRecord(nil, &Message{Topic: "a", Payload: []byte("x"), Properties: &PublishProperties{User: []UserProperty{{"k", "v"}}}}))
	f.Add(AppendMarkedRecord(nil, &Message{Topic: "a", QoS: 2}, RecordMark{PacketID: 1, Shared: true, AsRetained: true}))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ViewRecord(b)
		m, err2 := ParseRecord(b)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("ViewRecord %v, ParseRecord %v", err, err2)
		}
		if err != nil {
			return
		}
		if v.PacketID == 0 { // flagged with 0 is written without
			b2 := AppendMarkedRecord(nil, &m, v.RecordMark)
			if m2, err := ParseRecord(b2); err != nil || m2.Topic != m.Topic || !bytes.Equal(m2.Payload, m.Payload) {
				t.Errorf("became %+v, %v", m2, err)
			}
		}
		_ = v.AppendProperties(nil)
	})
}
