package topics

import (
	"fmt"
	"math/bits"
	"math/rand"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sensorgate/internal/mqtt"
)

// all returns what a filter matches, in pieces of limit nodes.
func all(r *Retained[string], filter string, limit int) (found []string) {
	c := r.Walk(filter)
	for c.Next(limit, func(v *string) bool { found = append(found, *v); return true }) {
	}
	slices.Sort(found)
	return found
}

// TestRetainedAgreesWithMatch: whatever was set and removed, in whatever order, a walk in
// pieces of any size finds what mqtt.Match says, each once.
func TestRetainedAgreesWithMatch(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	levels := []string{"", "a", "b", "$SYS", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	filterLevels := append([]string{"+", "+", "+"}, levels[:5]...)
	pick := func(from []string) string {
		s := make([]string, 1+rng.Intn(4))
		for i := range s {
			s[i] = from[rng.Intn(len(from))]
		}
		return strings.Join(s, "/")
	}
	var r Retained[string]
	have := map[string]bool{}
	for round := range 4000 {
		topic := pick(levels)
		if topic == "" {
			continue
		}
		if rng.Intn(5) < 2+round/1000%2 { // grows, then shrinks
			if old, _ := r.Set(topic, nil); (old != nil) != have[topic] {
				t.Fatalf("remove %q: had one %v, want %v", topic, old != nil, have[topic])
			}
			delete(have, topic)
		} else {
			r.Set(topic, &topic)
			have[topic] = true
		}
		if r.Len() != len(have) {
			t.Fatalf("%d values, want %d", r.Len(), len(have))
		}
		filter := pick(filterLevels)
		if rng.Intn(2) == 0 {
			filter += "/#"
		}
		if round%10 == 0 {
			filter = "#"
		}
		if mqtt.CheckFilter(filter) != nil {
			continue
		}
		want := []string{}
		for topic := range have {
			if mqtt.Match(filter, topic) {
				want = append(want, topic)
			}
		}
		slices.Sort(want)
		if got := all(&r, filter, 1+rng.Intn(20)); !slices.Equal(got, want) {
			t.Fatalf("%q: got %q, want %q", filter, got, want)
		}
	}
	for topic := range have {
		r.Set(topic, nil)
	}
	if r.NodeBytes() != 0 || len(r.root.kids) != 0 {
		t.Errorf("nothing is retained, and %d bytes in %d nodes are left", r.NodeBytes(), len(r.root.kids))
	}
}

// TestCursorGoesOnInATreeThatChanges: what was there all the time is found exactly once,
// what came later is not.
func TestCursorGoesOnInATreeThatChanges(t *testing.T) {
	var r Retained[string]
	set := func(topic string) { r.Set(topic, &topic) }
	for i := range 500 {
		set(fmt.Sprintf("stays/%d", i))
		set(fmt.Sprintf("goes/%d/%d", i%20, i))
	}
	rng := rand.New(rand.NewSource(2))
	times := map[string]int{}
	c := r.Walk("#")
	for i := 0; c.Next(3, func(v *string) bool { times[*v]++; return true }); i++ {
		set(fmt.Sprintf("new/%d", i))
		set(fmt.Sprintf("goes/new/%d", i))
		n := rng.Intn(500)
		r.Set(fmt.Sprintf("goes/%d/%d", n%20, n), nil)
	}
	for i := range 500 {
		if n := times[fmt.Sprintf("stays/%d", i)]; n != 1 {
			t.Errorf("stays/%d was found %d times", i, n)
		}
	}
	for topic, n := range times {
		if n != 1 || strings.Contains(topic, "new") {
			t.Errorf("%s was found %d times", topic, n)
		}
	}
}

// TestSubscriptionsAgreeWithMatch: after any sequence of adding and removing, the tree
// finds what mqtt.Match says, and at the end no node is left.
func TestSubscriptionsAgreeWithMatch(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	levels := []string{"a", "b", "", "$x", "+", "c", "d", "e", "f", "g", "h", "i", "j"}
	pick := func(n int) string {
		s := make([]string, 1+rng.Intn(3))
		for i := range s {
			s[i] = levels[rng.Intn(n)]
		}
		return strings.Join(s, "/")
	}
	var tree Subscriptions[int]
	type key struct {
		filter string
		who    int
	}
	have := map[key]bool{}
	for range 4000 {
		k := key{pick(len(levels)), rng.Intn(3)}
		if rng.Intn(3) == 0 {
			k.filter += "/#"
		}
		if mqtt.CheckFilter(k.filter) != nil {
			continue
		}
		sub := &Subscription[int]{Subscription: mqtt.Subscription{Filter: k.filter}, Subscriber: k.who}
		before := tree.Generation()
		switch {
		case rng.Intn(2) == 0:
			if existed := tree.Add(sub); existed != have[k] {
				t.Fatalf("add %v: existed %v, want %v", k, existed, have[k])
			}
			have[k] = true
		default:
			tree.Remove(sub)
			if !have[k] {
				before--
			}
			delete(have, k)
		}
		if tree.Generation() != before+1 || tree.Len() != len(have) {
			t.Fatalf("generation %d after %d; %d subscriptions, want %d", tree.Generation(), before, tree.Len(), len(have))
		}
		topic := strings.ReplaceAll(pick(len(levels)), "+", "a")
		got := map[key]bool{}
		tree.Match(topic+"/x", func(subs []*Subscription[int], _ []*Group[int]) {
			for _, s := range subs {
				got[key{s.Filter, s.Subscriber}] = true
			}
		})
		for k := range have {
			if mqtt.Match(k.filter, topic+"/x") != got[k] {
				t.Fatalf("%q: %v found %v", topic+"/x", k, got[k])
			}
		}
	}
	for k := range have {
		tree.Remove(&Subscription[int]{Subscription: mqtt.Subscription{Filter: k.filter}, Subscriber: k.who})
	}
	if len(tree.root.kids) != 0 {
		t.Errorf("no subscription is left, but %d nodes are", len(tree.root.kids))
	}
}

func heap() int64 {
	var m runtime.MemStats
	for range 2 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCostIsWhatTheHeapSays: the estimate of a node holds for wide trees, for deep ones
// and for long names. It is that of 64-bit processors: with 32 bits a node takes down to
// half of it, so that there the account is too high and never too low.
func TestCostIsWhatTheHeapSays(t *testing.T) {
	value, most := "", 1.2
	if bits.UintSize == 32 {
		most *= 2
	}
	for name, topic := range map[string]func(int) string{
		"wide": func(i int) string { return fmt.Sprintf("all/of/them/%d", i) },
		"deep": func(i int) string { return fmt.Sprint(i) + strings.Repeat("/x", 100) },
		"long": func(i int) string { return fmt.Sprintf("%01000d", i) },
		"own":  func(i int) string { return fmt.Sprintf("a%d/b/c", i) },
	} {
		var r Retained[string]
		n := 20_000
		if name == "deep" {
			n = 500
		}
		before, cost := heap(), int64(0)
		for i := range n {
			topic := topic(i)
			cost += r.Cost(topic)
			r.Set(topic, &value)
		}
		grown := heap() - before
		t.Logf("%s: heap %d, account %d (%.2f)", name, grown, r.NodeBytes(), float64(r.NodeBytes())/float64(grown))
		if cost != r.NodeBytes() {
			t.Errorf("%s: asked before it is %d, afterwards %d", name, cost, r.NodeBytes())
		}
		if share := float64(cost) / float64(grown); share < 0.9 || share > most {
			t.Errorf("%s: the account has %d bytes, the heap %d", name, cost, grown)
		}
		runtime.KeepAlive(&r)
	}
}

// TestRemovedTopicLeavesNothingBehind: a node that stays keeps nothing of a child that went, whose name may
// be long and is paid for by nobody any more.
func TestRemovedTopicLeavesNothingBehind(t *testing.T) {
	value := ""
	for _, kids := range []int{1, 2} {
		var r Retained[string]
		before := heap()
		for i := range 100 {
			parent := fmt.Sprint("parent", i)
			r.Set(parent, &value)
			for k := range kids {
				r.Set(fmt.Sprint(parent, "/", k, strings.Repeat("x", 60_000)), &value)
			}
			for k := range kids {
				r.Set(fmt.Sprint(parent, "/", k, strings.Repeat("x", 60_000)), nil)
			}
		}
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("%d children: %d bytes are left of them, and %d are paid for", kids, grown, r.NodeBytes())
		}
		runtime.KeepAlive(&r)
	}
}
