package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
)

// sixTimesSlower is a phone beside the machine of these tests.
func sixTimesSlower() action {
	return command(emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 6})
}

// noteValues makes a page note when its first values were on the screen.
const noteValues = `new MutationObserver((_, o) => {
	if (![...document.querySelectorAll('tr.channel .number')].some(e => /\d/.test(e.textContent))) return
	o.disconnect()
	requestAnimationFrame(() => setTimeout(() => { window.valuesAt = performance.now() }))
}).observe(document, { subtree: true, childList: true, characterData: true })`

// painted is how long after the navigation something, and the first values, were there.
type painted struct{ first, values time.Duration }

// stranger is a tab of a browser that has nothing of the page yet.
func stranger(t *testing.T) (*tab, context.CancelFunc) {
	t.Helper()
	ctx, stop := chromedp.NewContext(allocator, chromedp.WithNewBrowserContext())
	x := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, x.listen); err != nil {
		t.Fatal(err)
	}
	return x, stop
}

// paints opens an address in a browser that has nothing of it, on a slow phone.
func paints(t *testing.T, url string, withValues bool) (p painted) {
	t.Helper()
	x, stop := stranger(t)
	defer stop()
	x.run(phone.emulate(), sixTimesSlower(),
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: noteValues}))
	x.run(chromedp.Navigate(url))
	x.see(`performance.getEntriesByName('first-contentful-paint').length`)
	ms := func(expression string) time.Duration {
		return time.Duration(get[float64](x, expression) * float64(time.Millisecond))
	}
	p.first = ms(`performance.getEntriesByName('first-contentful-paint')[0].startTime`)
	if withValues {
		x.see(`window.valuesAt`)
		p.values = ms(`valuesAt`)
	}
	return p
}

// work is how long the main thread of a page worked until an expression held, in time of the
// processor: whatever else the machine does, and without making it slower.
func work(t *testing.T, url, until string) (all time.Duration) {
	t.Helper()
	x, stop := stranger(t)
	defer stop()
	x.run(phone.emulate(), command(performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}), chromedp.Navigate(url))
	x.see(until)
	x.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		r, err := cdp.Call(ctx, t, performance.GetMetrics, cdp.Empty{})
		for _, m := range r.Metrics {
			if m.Name == "TaskDuration" {
				all = time.Duration(m.Value * float64(time.Second))
			}
		}
		return err
	}))
	return all
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// Of the modules nothing is even asked for before the browser has drawn what index.html has:
// a slow phone would compile and run them first.
func TestNothingRunsBeforeTheFirstPaint(t *testing.T) {
	needBrowser(t)
	s := gateway(t, barn)
	x, stop := stranger(t)
	defer stop()
	// A browser that draws nothing for a second gets the modules nevertheless; this one may be busy.
	x.run(phone.emulate(), before(`const wait = setTimeout; window.setTimeout = (f, ms) => ms === 1000 ? 0 : wait(f, ms)`))
	x.run(chromedp.Navigate(s.address()))
	x.see(`document.body.dataset.ready === 'yes'`)
	early := get[[]string](x, `(() => {
		const drawn = performance.getEntriesByName('first-contentful-paint')[0].paintTime
		if (!(drawn > 0)) return ['no paint']
		return performance.getEntriesByType('resource').filter(e => e.startTime < drawn && !e.name.endsWith('/boot.js')).map(e => e.name)
	})()`)
	if len(early) > 0 {
		t.Errorf("asked for before the first paint: %v", early)
	}
}

// The frame with the navigation within a second, on a phone that is six times slower, beside
// what the browser takes for a page with one word on the same machine.
func TestLongFirstPaint(t *testing.T) {
	needLong(t)
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>x</title><p>x</p>")
	}))
	defer empty.Close()
	few, lots := gateway(t, barn), gateway(t, many(25, 20, 500*time.Millisecond))
	const someValue = `[...document.querySelectorAll('tr.channel .number')].some(e => /\d/.test(e.textContent))`
	for range 3 {
		t.Logf("work of the main thread until the first values: %v of 500 channels, %v of 6; of a page with one word %v",
			work(t, lots.address(), someValue), work(t, few.address(), someValue), work(t, empty.URL, "true"))
	}
	for _, url := range []string{empty.URL, few.address(), lots.address()} { // the browser itself has run by then
		paints(t, url, false)
	}
	var words, first, values, firstOfMany, valuesOfMany []time.Duration
	for range 5 {
		words = append(words, paints(t, empty.URL, false).first)
		a, b := paints(t, few.address(), true), paints(t, lots.address(), true)
		first, values = append(first, a.first), append(values, a.values)
		firstOfMany, valuesOfMany = append(firstOfMany, b.first), append(valuesOfMany, b.values)
	}
	for _, m := range []struct {
		what string
		all  []time.Duration
	}{{"a page with one word: first paint", words}, {"6 channels: first paint", first}, {"6 channels: first values", values},
		{"500 channels: first paint", firstOfMany}, {"500 channels: first values", valuesOfMany}} {
		t.Logf("%s: median %v of %v", m.what, median(m.all).Round(time.Millisecond), strings.ReplaceAll(fmt.Sprint(m.all), "ms", ""))
	}
	for _, all := range [][]time.Duration{first, firstOfMany} {
		if got := median(all); got > time.Second {
			t.Errorf("the first paint comes after %v, want at most 1 s", got)
		}
	}
}
