package browser

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var long = flag.Duration("page.long", 0, "judge times and memory in a browser, and watch memory for so long (make page-check)")

func needLong(t *testing.T) {
	t.Helper()
	if *long == 0 {
		t.Skip("skipped: times say something only on a machine that does nothing else: make page-check")
	}
}

// many is a configuration of so many devices with so many channels each.
func many(devices, channels int, every time.Duration) string {
	var b strings.Builder
	b.WriteString("[history]\n")
	for d := range devices {
		fmt.Fprintf(&b, "[device.d%02d]\ndriver = \"sim\"\nevery = %q\n[device.d%02d.channels]\n", d, every, d)
		for c := range channels {
			fmt.Fprintf(&b, "c%02d = { shape = \"walk\", from = 0, to = 1000, unit = \"W\", digits = 1 }\n", c)
		}
	}
	return b.String()
}

// held is what a page holds after a collection of all that nobody can reach.
type held struct {
	bytes            float64 // of the JavaScript heap
	nodes, listeners int64   // also of what is in no document any more
}

func (h held) String() string {
	return fmt.Sprintf("%.0f KB, %d nodes, %d listeners", h.bytes/1e3, h.nodes, h.listeners)
}

// least is the smallest of each count.
func least(all []held) held {
	h := all[0]
	for _, o := range all[1:] {
		h = held{min(h.bytes, o.bytes), min(h.nodes, o.nodes), min(h.listeners, o.listeners)}
	}
	return h
}

// heap collects, and counts what is left. The list of the page's requests is the browser's,
// 250 long, and nothing that the page holds.
func (x *tab) heap() (h held) {
	x.t.Helper()
	get[bool](x, `(performance.clearResourceTimings(), true)`)
	x.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for range 3 { // what a finalizer lets go is found by the next one
			if _, err := cdp.Call(ctx, t, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
				return err
			}
		}
		used, err := cdp.Call(ctx, t, runtime.GetHeapUsage, cdp.Empty{})
		if err != nil {
			return err
		}
		count, err := cdp.Call(ctx, t, memory.GetDOMCounters, cdp.Empty{})
		h = held{used.UsedSize, count.Nodes, count.JsEventListeners}
		return err
	}))
	return h
}

// settled counts when all that the view asked for has come.
func (x *tab) settled() held {
	x.t.Helper()
	x.see(`[...document.querySelectorAll('tr.channel')].every(r => r.getBoundingClientRect().top > innerHeight || r.querySelector('.spark path[d]'))`)
	return x.heap()
}

// around goes once through all views and waits for each.
func (x *tab) around() {
	x.t.Helper()
	for _, v := range [][2]string{{"#/plot?c=d00%2Fc00&c=d01%2Fc01", ".u-over"}, {"#/upstreams", "dl.facts"}, {"#/clients", ".tree"}, {"#/gateway", "dl.facts"}, {"#/now", "tr.channel"}} {
		get[bool](x, `(location.hash = '`+v[0]+`', true)`)
		x.see(`document.querySelector('` + v[1] + `')`)
	}
}

// A page that is looked at for a day must not grow: values come, views change, and what was
// left behind is collected. In make check it is twenty rounds, in make page-check an hour.
// Ten KB a round, but never more than a MB, are for values of the last hour that come and
// for what the browser itself keeps; nodes and listeners stay as many. What a collection has
// not let go yet is no leak: the least of the last ten counts is judged, which a leak raises.
func TestLongOpenPageDoesNotGrow(t *testing.T) {
	s := gateway(t, many(10, 5, 500*time.Millisecond))
	x := open(t, s.address(), desktop)
	for range 2 { // what is loaded, compiled and made once, also by the counting itself
		for range 5 {
			x.around()
		}
		x.heap()
	}
	first := x.settled()
	var lately []held
	rounds := 0
	for begin := time.Now(); rounds < 20 || time.Since(begin) < *long; {
		for range 5 {
			x.around()
		}
		rounds += 5
		lately = append(lately, x.settled())
		t.Logf("after %d rounds: %v", rounds, lately[len(lately)-1])
	}
	last := least(lately[max(0, len(lately)-10):])
	t.Logf("first: %v", first)
	if most := min(1e6, 10e3*float64(rounds)); last.bytes > first.bytes+most {
		t.Errorf("after %d rounds the page holds %v, before %v", rounds, last, first)
	}
	if last.nodes > first.nodes+200 || last.listeners > first.listeners+50 {
		t.Errorf("after %d rounds the page holds %v, before %v", rounds, last, first)
	}
}

// 500 channels with two values a second each on a phone that is six times slower.
func TestLongManyChannelsOnASlowPhone(t *testing.T) {
	needLong(t)
	s := gateway(t, many(25, 20, 500*time.Millisecond))
	x := open(t, s.address(), phone, sixTimesSlower())
	x.see(`document.querySelectorAll('tr.channel').length === 500`)
	x.see(`document.querySelector('.spark path').getAttribute('d')`)
	// A task that wants to run every 10 ms finds out how long the main thread was busy.
	busy := get[float64](x, `new Promise(done => {
		const begin = performance.now()
		let late = 0, last = begin
		const tick = () => { const now = performance.now(); late += Math.max(0, now - last - 10.5); last = now; now - begin > 20000 ? done(late / (now - begin)) : setTimeout(tick, 10) }
		setTimeout(tick, 10)
	})`)
	t.Logf("main thread busy %.0f %%", busy*100)
	if busy > 0.5 {
		t.Errorf("the main thread is busy for %.0f %% of the time, want at most 50", busy*100)
	}
}
