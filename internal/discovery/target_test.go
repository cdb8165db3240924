package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/internal/discovery"
)

// broker retains what it gets, and its controller sees every message. After a number of
// operations the power is cut.
type broker struct {
	retained map[string]string
	seen     []string
	ledger   []byte
	left     int // operations until the cut; below 0: never
}

var errCut = errors.New("the power was cut")

func (b *broker) operation() error {
	if b.left == 0 {
		return errCut
	}
	b.left--
	return nil
}

func (b *broker) target() *discovery.Target {
	return &discovery.Target{
		Publish: func(_ context.Context, ms []discovery.Message) error {
			for _, m := range ms {
				if err := b.operation(); err != nil {
					return err
				}
				b.seen = append(b.seen, m.Topic+"="+string(m.Payload))
				b.retained[m.Topic] = string(m.Payload)
				if len(m.Payload) == 0 {
					delete(b.retained, m.Topic)
				}
			}
			return nil
		},
		Load: func() discovery.Ledger {
			l, err := discovery.ParseLedger(b.ledger)
			if err != nil {
				panic(err)
			}
			return l
		},
		Save: func(_ context.Context, l discovery.Ledger) error {
			if err := b.operation(); err != nil {
				return err
			}
			b.ledger = l.Bytes()
			return nil
		},
		Pause: 5 * time.Second,
	}
}

// rules are a convention in which parts have to be said to be gone, topics that begin with
// "old/" move, and "state" goes first.
type rules struct{}

func (rules) Without(d *discovery.Document, parts discovery.Parts) []byte {
	return fmt.Appendf(nil, "%s without %v", d.Payload, slices.Sorted(maps.Keys(parts)))
}

func (rules) Moving(topic string, _ discovery.Parts, wanted []discovery.Document) []byte {
	if strings.HasPrefix(topic, "old/") && len(wanted) > 0 {
		return []byte("moves")
	}
	return nil
}

func (rules) Before(a, b string) bool { return a == "x/state" && b != a }

func (rules) Heralds(topic string) bool { return topic == "x/state" }

func docs(topics ...string) (list []discovery.Document) {
	for _, t := range topics {
		list = append(list, discovery.Document{Topic: t, Payload: []byte("is " + t), Parts: discovery.Parts{"a": "sensor", "b": "switch"}})
	}
	return list
}

// Whatever is cut off wherever, the next Bring leaves exactly what is wanted: also when it
// wants something else by then.
func TestNothingIsLeftBehindWhereverThePowerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wants := [][]discovery.Document{
			docs("old/1", "x/state", "x/2"),
			docs("x/2", "x/3"),
			docs("old/4"),
			nil,
		}
		cuts := 0
		for from := range wants {
			for to := range wants {
				for cut := 0; ; cut++ {
					b := &broker{retained: map[string]string{}, left: -1}
					if err := b.target().Bring(t.Context(), wants[from], rules{}); err != nil {
						t.Fatal(err)
					}
					b.left = cut
					done := b.target().Bring(t.Context(), wants[to], rules{}) == nil
					for last := range wants { // and then any of them
						c := &broker{retained: maps.Clone(b.retained), ledger: b.ledger, left: -1}
						if err := c.target().Bring(t.Context(), wants[last], rules{}); err != nil {
							t.Fatal(err)
						}
						want := map[string]string{}
						for _, d := range wants[last] {
							want[d.Topic] = string(d.Payload)
						}
						if !maps.Equal(c.retained, want) {
							t.Fatalf("from %d to %d, cut after %d, then %d: there is %v, want %v", from, to, cut, last, c.retained, want)
						}
						if l, _ := discovery.ParseLedger(c.ledger); len(l) != len(want) {
							t.Fatalf("the ledger has %v", l)
						}
					}
					cuts++
					if done {
						break
					}
				}
			}
		}
		if cuts < 50 {
			t.Errorf("only %d cuts", cuts)
		}
	})
}

// A part that is gone is said to be gone before the document without it, also when the
// process ended in between; one that has become something else, too.
func TestPartsThatAreGoneAreSaidToBe(t *testing.T) {
	b := &broker{retained: map[string]string{}, left: -1}
	was := docs("x/1")
	if err := b.target().Bring(t.Context(), was, rules{}); err != nil {
		t.Fatal(err)
	}
	now := []discovery.Document{{Topic: "x/1", Payload: []byte("now"), Parts: discovery.Parts{"a": "number"}}}
	for cut := range 3 {
		c := &broker{retained: maps.Clone(b.retained), ledger: b.ledger, left: cut}
		c.target().Bring(t.Context(), now, rules{})
		c.left, c.seen = -1, nil
		if err := c.target().Bring(t.Context(), now, rules{}); err != nil {
			t.Fatal(err)
		}
		if want := []string{"x/1=now without [a b]", "x/1=now"}; !slices.Equal(c.seen, want) {
			t.Errorf("cut after %d: %q, want %q", cut, c.seen, want)
		}
		c.seen = nil
		c.target().Bring(t.Context(), now, rules{})
		if want := []string{"x/1=now"}; !slices.Equal(c.seen, want) {
			t.Errorf("a second time: %q", c.seen)
		}
	}
}

// What moves is announced, described under its new topic, and only then removed, after the
// controller had its time.
func TestMovingKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{retained: map[string]string{}, left: -1}
		b.target().Bring(t.Context(), docs("old/1"), rules{})
		b.seen = nil
		start := time.Now()
		b.target().Bring(t.Context(), docs("new"), rules{})
		if want := []string{"old/1=moves", "new=is new", "old/1="}; !slices.Equal(b.seen, want) || time.Since(start) != 5*time.Second {
			t.Errorf("%q after %v, want %q", b.seen, time.Since(start), want)
		}
	})
}

// A state that says that what it describes changes goes before what is removed, and again
// in its place; one that is new is not said before what it is of.
func TestAChangeIsAnnouncedBeforeAnythingGoes(t *testing.T) {
	b := &broker{retained: map[string]string{}, left: -1}
	b.target().Bring(t.Context(), docs("x/state", "x/1", "x/2"), rules{})
	b.seen = nil
	b.target().Bring(t.Context(), docs("x/state", "x/2"), rules{})
	if want := []string{"x/state=is x/state", "x/1=", "x/state=is x/state", "x/2=is x/2"}; !slices.Equal(b.seen, want) {
		t.Errorf("%q, want %q", b.seen, want)
	}
	b.seen = nil
	b.target().Bring(t.Context(), docs("x/3"), rules{})
	if want := []string{"x/state=", "x/2=", "x/3=is x/3"}; !slices.Equal(b.seen, want) {
		t.Errorf("%q, want %q", b.seen, want)
	}
}

func FuzzParseLedger(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(discovery.Ledger{"homeassistant/device/a/config": {"power": "sensor"}, "x": nil}.Bytes())
	f.Add([]byte(`{"version":1,"topics":{"a":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, _ := discovery.ParseLedger(data)
		if l == nil {
			t.Fatal("no ledger at all")
		}
		again, err := discovery.ParseLedger(l.Bytes())
		if err != nil || len(again) != len(l) {
			t.Errorf("written %v, read %v: %v", l, again, err)
		}
	})
}
