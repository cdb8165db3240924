package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A script is all that is chosen of a run. It is written as text, one line for the settings and one per event, so that a
// failing one can be kept and played again.
type script struct {
	Seed     uint64 // of the disk's choices
	Clients  int
	Segment  int64
	Size     int64
	Commit   time.Duration
	SlowSync time.Duration
	Events   []event
}

// An event is something that somebody does at a time.
type event struct {
	At  time.Duration
	Who string // "c3", "up", "disk", "gateway"
	Do  string
	N   int
}

func (s script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "script seed=%d clients=%d segment=%d size=%d commit=%v sync=%v\n", s.Seed, s.Clients, s.Segment, s.Size, s.Commit, s.SlowSync)
	for _, e := range s.Events {
		fmt.Fprintf(&b, "%v %s %s %d\n", e.At, e.Who, e.Do, e.N)
	}
	return b.String()
}

// crowded reports whether the script makes more sessions than there may be room for.
func (s *script) crowded() bool { return s.has("", "many-ids") }

// has reports whether somebody does something in the script; "" is anybody, and anything.
func (s *script) has(who, do string) bool {
	return slices.ContainsFunc(s.Events, func(e event) bool {
		return (who == "" || strings.HasPrefix(e.Who, who)) && (do == "" || e.Do == do)
	})
}

// parseScript reads what String wrote.
func parseScript(text string) (s script, err error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var commit, slow string
	if _, err = fmt.Sscanf(lines[0], "script seed=%d clients=%d segment=%d size=%d commit=%s sync=%s", &s.Seed, &s.Clients, &s.Segment, &s.Size, &commit, &slow); err != nil {
		return s, fmt.Errorf("first line: %w", err)
	}
	if s.Commit, err = time.ParseDuration(commit); err != nil {
		return s, err
	}
	if s.SlowSync, err = time.ParseDuration(slow); err != nil {
		return s, err
	}
	for _, l := range lines[1:] {
		f := strings.Fields(l)
		if len(f) != 4 {
			return s, fmt.Errorf("%q: want time, who, what and a number", l)
		}
		at, err := time.ParseDuration(f[0])
		if err != nil {
			return s, err
		}
		n, err := strconv.Atoi(f[3])
		if err != nil {
			return s, err
		}
		s.Events = append(s.Events, event{at, f[1], f[2], n})
	}
	return s, nil
}

// choice is something that can happen, with how often it is chosen in proportion to the others.
type choice struct {
	weight int
	who    string // "c": a client
	do     string
	n      func(*rand.Rand) int
}

func upTo(n int) func(*rand.Rand) int { return func(r *rand.Rand) int { return r.IntN(n) } }
func none(*rand.Rand) int             { return 0 }

// choices is everything that a run may meet. The theme of a script makes some of them more frequent; those of weight 0
// happen in their own themes only, because much else may follow from them.
var choices = []choice{
	{20, "c", "connect", none},
	{3, "c", "connect-clean", none},
	{30, "c", "publish", upTo(8)},
	{6, "c", "publish-big", upTo(8)},
	{8, "c", "drop", none},
	{2, "c", "disconnect", none},
	{2, "c", "half-open", none},
	{3, "c", "stall", none},
	{3, "c", "resume", none},
	{4, "c", "lazy", upTo(200)},
	{2, "c", "unsubscribe", none},
	{4, "c", "subscribe", none},
	{3, "c", "retain", upTo(3)},
	{2, "c", "unretain", upTo(3)},
	{2, "c", "forbidden", none},
	{2, "c", "hostile", upTo(1 << 16)},
	{1, "c", "flood", upTo(200)},
	{0, "c", "many-ids", upTo(60)},
	{8, "disk", "cut", upTo(60)},
	{4, "disk", "kill", upTo(60)},
	{3, "disk", "slow", upTo(100)},
	{0, "disk", "eio", upTo(10)},
	{0, "disk", "full", upTo(10)},
	{0, "disk", "flip", upTo(1 << 20)},
	{2, "gateway", "restart", none},
	{2, "gateway", "reload", none},
	{0, "gateway", "clock", upTo(1 << 10)},
	{6, "up", "reset", none},
	{2, "up", "refuse", upTo(2000)},
	{2, "up", "half-open", none},
	{3, "up", "deaf", upTo(2000)},
	{4, "up", "command", upTo(3)},
}

// themes make a run about something: what is rare in general is frequent in some.
var themes = []map[string]int{
	{}, // of everything
	{"disk cut": 30, "c connect": 60, "c publish": 60},
	{"disk kill": 30, "c connect": 60, "c publish": 60, "c lazy": 20},
	{"up reset": 40, "disk cut": 20, "c publish": 60, "up deaf": 10},
	{"c flood": 12, "c drop": 10},
	{"c many-ids": 8},
	{"disk full": 6, "c publish-big": 30},
	{"disk eio": 6, "c publish": 60},
	{"c publish-big": 30, "c drop": 20, "up refuse": 10, "c flood": 4},
	{"c hostile": 30},
	{"disk flip": 8, "disk kill": 8},
	{"c connect-clean": 20, "disk cut": 20},
	{"c retain": 20, "c unretain": 20, "disk cut": 20},
	{"gateway clock": 20, "up refuse": 10, "disk cut": 20, "gateway restart": 10, "c publish": 60},
}

// besides is what happens beside the choices, about one thing in a script: what the gateway itself makes, and what is
// decided by time.
var besides = []struct {
	first func(*rand.Rand, int) event // of each client
	rest  []choice
}{
	{},
	// Take-overs within a sync, and the end before the next.
	{rest: []choice{{10, "c", "connect", none}, {10, "c", "publish", upTo(8)}, {8, "disk", "kill", upTo(5)}, {4, "disk", "cut", upTo(5)}, {2, "up", "reset", none}, {1, "disk", "slow", upTo(100)}}},
	// The gateway's own devices.
	{rest: []choice{{20, "device", "read", upTo(5)}, {2, "disk", "cut", upTo(60)}, {1, "disk", "kill", upTo(60)}, {3, "gateway", "restart", none}, {2, "up", "refuse", upTo(2000)}}},
	{
		first: func(r *rand.Rand, c int) event {
			return event{time.Second / 2, fmt.Sprintf("c%d", c), "will", r.IntN(8)}
		},
		rest: []choice{
			{10, "c", "away", upTo(3000)}, {8, "c", "connect", none}, {4, "c", "drop", none}, {3, "c", "disconnect", none}, {2, "c", "half-open", none},
			{2, "disk", "cut", upTo(60)}, {1, "disk", "kill", upTo(60)}, {1, "gateway", "restart", none}, {2, "gateway", "clock", upTo(1 << 10)}, {2, "c", "will", upTo(8)},
		},
	},
	{
		first: func(r *rand.Rand, c int) event {
			return event{time.Second / 2, fmt.Sprintf("c%d", c), "session", r.IntN(3)}
		},
		rest: []choice{
			{10, "c", "away", upTo(5000)}, {10, "c", "publish-expiring", upTo(12)}, {3, "gateway", "clock", upTo(1 << 10)},
			{2, "disk", "cut", upTo(60)}, {1, "disk", "kill", upTo(60)}, {1, "gateway", "restart", none}, {2, "c", "session", upTo(3)},
		},
	},
}

// addBesides adds events to those that the seed has chosen.
func (s *script) addBesides(without []string) {
	r := rand.New(rand.NewPCG(s.Seed, 16))
	b := besides[r.IntN(len(besides))]
	if b.rest == nil {
		return
	}
	end := s.Events[len(s.Events)-1].At
	if b.first != nil {
		for i := range s.Clients {
			s.Events = append(s.Events, b.first(r, i))
		}
	}
	total, weights := 0, make([]int, len(b.rest))
	for i, c := range b.rest {
		if !slices.Contains(without, c.do) {
			weights[i] = c.weight
		}
		total += weights[i]
	}
	for range 5 + r.IntN(15) {
		s.Events = append(s.Events, choose(r, b.rest, weights, total, s.Clients, time.Second+time.Duration(r.Int64N(int64(end)))))
	}
	slices.SortStableFunc(s.Events, func(a, b event) int { return cmp.Compare(a.At, b.At) })
}

// choose makes an event of one of the choices, by their weights, which are total together.
func choose(r *rand.Rand, of []choice, weights []int, total, clients int, at time.Duration) event {
	x, i := r.IntN(total), 0
	for x -= weights[0]; x >= 0; x -= weights[i] {
		i++
	}
	e := event{At: at, Who: of[i].who, Do: of[i].do, N: of[i].n(r)}
	if e.Who == "c" {
		e.Who = fmt.Sprintf("c%d", r.IntN(clients))
	}
	return e
}

// makeScript makes the script of a seed. What is in without does not happen.
func makeScript(seed uint64, without []string) script {
	r := rand.New(rand.NewPCG(seed, 15))
	s := script{
		Seed: seed, Clients: 2 + r.IntN(6),
		Segment:  []int64{16 << 10, 64 << 10, 64 << 10, 256 << 10}[r.IntN(4)],
		Commit:   time.Duration(20+r.IntN(180)) * time.Millisecond,
		SlowSync: []time.Duration{0, 5 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond}[r.IntN(4)],
	}
	if r.IntN(5) == 0 {
		s.Clients = 20
	}
	s.Size = s.Segment * []int64{8, 16, 64, 256}[r.IntN(4)]
	theme := themes[r.IntN(len(themes))]
	var total int
	weights := make([]int, len(choices))
	for i, c := range choices {
		weights[i] = c.weight
		if w, ok := theme[c.who+" "+c.do]; ok {
			weights[i] = w
		}
		if slices.Contains(without, c.do) {
			weights[i] = 0
		}
		total += weights[i]
	}
	at := time.Second
	for range 20 + r.IntN(100) {
		s.Events = append(s.Events, choose(r, choices, weights, total, s.Clients, at))
		switch r.IntN(10) {
		case 0: // time for everything to settle
			at += time.Duration(r.IntN(3000)) * time.Millisecond
		case 1, 2, 3: // at once
		default:
			at += time.Duration(r.IntN(20000)) * time.Microsecond
		}
	}
	s.addBesides(without)
	if seed%8 == 7 {
		s.addTakeOvers(without)
	}
	return s
}

// addTakeOvers adds what takes a coincidence otherwise (K8): a client of QoS 2 answers late, while one sync follows the other, takes its
// own connection over before the next of them is done, and then the process is killed or the power goes.
func (s *script) addTakeOvers(without []string) {
	r := rand.New(rand.NewPCG(s.Seed, 17))
	end := s.Events[len(s.Events)-1].At
	add := func(at time.Duration, who, do string, n int) {
		if !slices.Contains(without, do) {
			s.Events = append(s.Events, event{at, who, do, n})
		}
	}
	for range 3 + r.IntN(4) {
		at := time.Second + time.Duration(r.Int64N(int64(end)))
		add(at, "disk", "slow", 20+r.IntN(80))
		add(at, "c0", "connect", 0)
		add(at, "c1", "connect", 0)
		add(at, "c0", "lazy", 20+r.IntN(100))
		at += time.Second // in which the connections are accepted
		for range 10 {
			add(at, "c1", "publish", 2) // three of QoS 2, which c0 hears
			at += time.Duration(10+r.IntN(40)) * time.Millisecond
		}
		add(at, "c0", "connect", 0)
		add(at, "disk", []string{"kill", "cut"}[r.IntN(2)], r.IntN(3))
	}
	slices.SortStableFunc(s.Events, func(a, b event) int { return cmp.Compare(a.At, b.At) })
}
