package gpio

import (
	"context"
	"fmt"
	"time"
)

// Found is a line as people look for it.
type Found struct {
	LineInfo
	Chip ChipInfo `json:"chip"`
	Pin  string   `json:"pin,omitempty"` // of the header, "P1_11", if the board is known
	Ref  Ref      `json:"gpio"`          // what to write into the configuration
}

// Scan lists all lines of all chips. It takes none, so it disturbs nobody.
func (c *Chips) Scan() (board string, lines []Found, err error) {
	chips, err := c.kernel.Chips()
	if err != nil {
		return "", nil, err
	}
	board = c.kernel.Board()
	names := map[string]int{}
	for _, chip := range chips {
		infos, err := c.kernel.Lines(chip.Name)
		if err != nil {
			return board, lines, err
		}
		for _, info := range infos {
			names[info.Name]++
			f := Found{LineInfo: info, Chip: chip}
			if chip.onHeader() {
				f.Pin = pinOf(board, info.Name)
			}
			lines = append(lines, f)
		}
	}
	for i := range lines {
		l := &lines[i]
		l.Ref = Ref(place{l.Chip, l.Offset}.String())
		if l.Name != "" && names[l.Name] == 1 {
			l.Ref = Ref(l.Name)
		}
	}
	return board, lines, nil
}

// Following says how a line is to be watched.
type Following struct {
	Pull      Pull
	ActiveLow bool
	Debounce  time.Duration
}

// Edge is what Follow reports: first the level found, then every edge.
type Edge struct {
	Event
	First bool
	Lost  uint32 // edges that are missing before this one
}

// Follow shows the edges of a line until ctx ends. It is for a person who looks; the
// driver for a device is input.
func (c *Chips) Follow(ctx context.Context, ref Ref, f Following, show func(Edge)) error {
	l, err := c.request("watch", ref, Config{Pull: f.Pull, ActiveLow: f.ActiveLow, Debounce: f.Debounce, Edges: Both, Buffer: eventBuffer})
	if err != nil {
		return err
	}
	defer l.Close()
	level, err := l.Get()
	if err != nil {
		return fmt.Errorf("gpio %s: %w", ref, err)
	}
	show(Edge{Event: Event{Rising: level, Time: time.Now()}, First: true})
	for e := (edges{line: l}); ; {
		evs, lost, err := e.next(ctx, time.Now().Add(verifyEvery))
		if err == nil && len(evs) == 0 {
			_, err = l.Get() // is the chip still there?
		}
		if err != nil {
			return err
		}
		for _, ev := range evs {
			show(Edge{Event: ev, Lost: lost})
			lost = 0
		}
	}
}
