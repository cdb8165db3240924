package browser

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
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

// heap is what the page holds after a collection, in bytes, and how many nodes of a document.
func (x *tab) heap() (bytes float64, nodes int) {
	x.t.Helper()
	x.run(command(heapprofiler.Enable, cdp.Empty{}), command(heapprofiler.CollectGarbage, cdp.Empty{}))
	return get[float64](x, "performance.memory.usedJSHeapSize"), get[int](x, "document.querySelectorAll('*').length")
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
// left behind is collected. In make check it is a few rounds, in make page-check an hour.
func TestLongOpenPageDoesNotGrow(t *testing.T) {
	s := gateway(t, many(10, 5, 500*time.Millisecond))
	x := open(t, s.address(), desktop)
	for range 5 { // what is loaded once
		x.around()
	}
	before, nodes := x.heap()
	rounds := 0
	for begin := time.Now(); rounds < 15 || time.Since(begin) < *long; rounds++ {
		x.around()
	}
	after, nodesAfter := x.heap()
	t.Logf("%d rounds: %.2f MB and %d nodes, before %.2f MB and %d", rounds, after/1e6, nodesAfter, before/1e6, nodes)
	if after > before+1e6 || nodesAfter > nodes+200 {
		t.Errorf("after %d rounds the page holds %.2f MB and %d nodes, before %.2f MB and %d", rounds, after/1e6, nodesAfter, before/1e6, nodes)
	}
}

// 500 channels with two values a second each on a phone that is six times slower.
func TestLongManyChannelsOnASlowPhone(t *testing.T) {
	needLong(t)
	s := gateway(t, many(25, 20, 500*time.Millisecond))
	x := open(t, s.address(), phone, command(emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 6}))
	x.see(`document.querySelectorAll('tr.channel').length === 500`)
	paint := get[float64](x, `performance.getEntriesByName('first-contentful-paint')[0].startTime`)
	x.see(`document.querySelector('.spark path').getAttribute('d')`)
	// A task that wants to run every 10 ms finds out how long the main thread was busy.
	busy := get[float64](x, `new Promise(done => {
		const begin = performance.now()
		let late = 0, last = begin
		const tick = () => { const now = performance.now(); late += Math.max(0, now - last - 10.5); last = now; now - begin > 20000 ? done(late / (now - begin)) : setTimeout(tick, 10) }
		setTimeout(tick, 10)
	})`)
	t.Logf("first paint after %.0f ms, main thread busy %.0f %%", paint, busy*100)
	if paint > 1000 {
		t.Errorf("the first paint came after %.0f ms, want at most 1000", paint)
	}
	if busy > 0.5 {
		t.Errorf("the main thread is busy for %.0f %% of the time, want at most 50", busy*100)
	}
}

// Twenty browsers on one gateway with 50 values a second.
func TestLongTwentyPagesOnOneGateway(t *testing.T) {
	needLong(t)
	s := gateway(t, many(5, 10, time.Second))
	measure := func(what string) (share float64, resident int64) {
		cpu, _ := s.p.usage()
		begin := time.Now()
		<-time.After(20 * time.Second)
		after, resident := s.p.usage()
		share = float64(after-cpu) / float64(time.Since(begin))
		t.Logf("%s: %.1f %% of a core, %.1f MB", what, share*100, float64(resident)/1e6)
		return share, resident
	}
	alone, small := measure("nobody looks")
	for range 20 {
		open(t, s.address(), desktop)
	}
	share, large := measure("20 pages")
	if share > 0.05 {
		t.Errorf("with 20 pages the gateway takes %.1f %% of a core (%.1f %% without), want at most 5", share*100, alone*100)
	}
	if large > small+6e6 {
		t.Errorf("with 20 pages the gateway holds %.1f MB more, want at most 6", float64(large-small)/1e6)
	}
}

// usage is what a process took of the processor since its start, and its resident memory.
func (p *program) usage() (cpu time.Duration, resident int64) {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:])) // proc(5): from state on
	number := func(i int) int64 {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		return n
	}
	return time.Duration(number(11)+number(12)) * 10 * time.Millisecond, number(21) * int64(os.Getpagesize())
}
