// Package plot draws a line over time on a terminal, with Braille characters: each has two
// columns and four rows of dots.
package plot

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Point is a value, or a slot with its lowest and highest.
type Point struct {
	Time      time.Time
	Low, High float64
	Value     float64
}

const gutter = 10 // columns of the labels on the left

// Lines draws points between two times in width columns and height rows, with labels of
// both axes. Where nothing was measured nothing is drawn. It returns no line for no
// points.
func Lines(points []Point, from, to time.Time, width, height int) []string {
	if len(points) == 0 || !to.After(from) {
		return nil
	}
	width, height = max(width, gutter+20), max(height, 4)
	c := newCanvas(width-gutter, height)
	low, high := limits(points)
	row := func(v float64) int { return int(math.Round((high - v) / (high - low) * float64(c.rows()-1))) }
	for _, p := range points {
		x := int(float64(p.Time.Sub(from)) / float64(to.Sub(from)) * float64(c.columns()-1))
		for y := row(p.High); y <= row(p.Low); y++ {
			c.set(x, y)
		}
	}
	var out []string
	for i, line := range c.lines() {
		label := ""
		switch i {
		case 0:
			label = number(high)
		case height / 2:
			label = number(high - (high-low)*float64(height/2)/float64(height-1))
		case height - 1:
			label = number(low)
		}
		out = append(out, fmt.Sprintf("%*s ┤%s", gutter-2, label, line))
	}
	return append(out, axis(from, to, width-gutter))
}

// limits are round numbers around all values.
func limits(points []Point) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range points {
		low, high = min(low, p.Low), max(high, p.High)
	}
	if low == high {
		pad := max(math.Abs(low)*0.05, 0.5)
		return low - pad, high + pad
	}
	step := math.Pow(10, math.Floor(math.Log10(high-low))) / 2
	return math.Floor(low/step) * step, math.Ceil(high/step) * step
}

func number(v float64) string {
	s := fmt.Sprintf("%.4g", v)
	if utf8.RuneCountInString(s) > gutter-2 {
		s = fmt.Sprintf("%.1e", v)
	}
	return s
}

// axis writes the times of the beginning, the middle and the end.
func axis(from, to time.Time, width int) string {
	format := "15:04"
	switch span := to.Sub(from); {
	case span > 300*24*time.Hour:
		format = "2006-01"
	case span > 48*time.Hour:
		format = "01-02"
	case span > 20*time.Hour:
		format = "Mon 15:04"
	}
	b, m, e := from.Format(format), from.Add(to.Sub(from)/2).Format(format), to.Format(format)
	middle := max(width/2-len(b)-len(m)/2, 1)
	end := max(width-len(b)-middle-len(m)-len(e), 1)
	return strings.Repeat(" ", gutter) + b + strings.Repeat(" ", middle) + m + strings.Repeat(" ", end) + e
}

// canvas is a grid of dots, two by four to a character.
type canvas struct {
	width int
	cells [][]rune
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width}
	for range height {
		c.cells = append(c.cells, make([]rune, width))
	}
	return c
}

func (c *canvas) columns() int { return 2 * c.width }
func (c *canvas) rows() int    { return 4 * len(c.cells) }

// dots of a Braille character by column and row (Unicode, block 2800).
var dots = [2][4]rune{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

func (c *canvas) set(x, y int) {
	if x >= 0 && y >= 0 && x < c.columns() && y < c.rows() {
		c.cells[y/4][x/2] |= dots[x%2][y%4]
	}
}

func (c *canvas) lines() (out []string) {
	for _, row := range c.cells {
		var b strings.Builder
		for _, r := range row {
			if r == 0 {
				b.WriteByte(' ')
			} else {
				b.WriteRune(0x2800 + r)
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}
