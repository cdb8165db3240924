package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
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

// paints opens an address in a browser that has nothing of it, on a slow phone.
func paints(t *testing.T, url string, withValues bool) (p painted) {
	t.Helper()
	ctx, stop := chromedp.NewContext(allocator, chromedp.WithNewBrowserContext())
	defer stop()
	x := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, x.listen); err != nil {
		t.Fatal(err)
	}
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

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
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
