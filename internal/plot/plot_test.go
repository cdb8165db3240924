package plot

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLines(t *testing.T) {
	from := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	var points []Point
	for i := range 24 {
		v := float64(i)
		points = append(points, Point{from.Add(time.Duration(i) * time.Hour), v, v, v})
	}
	got := Lines(points, from, from.Add(24*time.Hour), 60, 6)
	if len(got) != 7 {
		t.Fatalf("%d lines", len(got))
	}
	for _, l := range got {
		if utf8.RuneCountInString(l) > 60 {
			t.Errorf("a line of %d columns: %q", utf8.RuneCountInString(l), l)
		}
	}
	// A rising line begins at the bottom left and ends at the top right.
	if !strings.Contains(got[0], "25 ┤") || !strings.Contains(got[5], "0 ┤") || strings.TrimSpace(got[0][strings.Index(got[0], "┤")+3:])[0] == ' ' {
		t.Errorf("\n%s", strings.Join(got, "\n"))
	}
	if first := strings.IndexFunc(got[0], func(r rune) bool { return r >= 0x2800 && r < 0x2900 }); first < 40 {
		t.Errorf("the top row has dots at %d:\n%s", first, strings.Join(got, "\n"))
	}
	if !strings.Contains(got[6], "Mon 00:00") || !strings.HasSuffix(got[6], "Tue 00:00") {
		t.Errorf("the axis is %q", got[6])
	}
}

func TestNothingToDraw(t *testing.T) {
	now := time.Now()
	if got := Lines(nil, now, now.Add(time.Hour), 80, 10); got != nil {
		t.Errorf("%q", got)
	}
}

func TestOneValueIsInTheMiddle(t *testing.T) {
	from := time.Unix(0, 0)
	got := Lines([]Point{{from, 5, 5, 5}}, from, from.Add(time.Hour), 40, 5)
	if len(got) != 6 || !strings.ContainsRune(got[2], 0x2801) && strings.TrimSpace(strings.SplitN(got[2], "┤", 2)[1]) == "" {
		t.Errorf("\n%s", strings.Join(got, "\n"))
	}
}
