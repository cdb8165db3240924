package modbus

import (
	"cmp"
	"slices"
	"time"

	"sensorgate/drivers"
)

// item is what one channel needs: its value, and what belongs to it.
type item struct {
	table   Table
	at      int
	width   int
	every   time.Duration
	channel *channel
}

func (i *item) end() int { return i.at + i.width }

// block is what one request reads.
type block struct {
	table Table
	at    int
	width int
	items []*item
	known bool // it was answered once
	drivers.Schedule
}

// limits of a device's blocks.
type limits struct {
	gap, registers int
}

// plan joins items of one table and interval into blocks.
func plan(items []*item, l limits) []*block {
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.every, b.every), cmp.Compare(a.table, b.table), cmp.Compare(a.at, b.at))
	})
	var blocks []*block
	var last *block
	for _, i := range sorted {
		if last == nil || !last.join(i, l) {
			last = &block{table: i.table, at: i.at, width: i.width, items: []*item{i}, Schedule: drivers.Schedule{
				Every: max(i.every, minInterval), Backoff: unitBackoff,
			}}
			blocks = append(blocks, last)
		}
	}
	return blocks
}

// join takes i in, if it is near enough and the block stays within the limits.
func (b *block) join(i *item, l limits) bool {
	end := b.at + b.width
	gap, most := l.gap, l.registers
	if !b.table.registers() {
		gap, most = 16*gap, maxReadBits // bits cost a sixteenth
	}
	if i.table != b.table || max(i.every, minInterval) != b.Every || i.at > end+gap || max(end, i.end())-b.at > most {
		return false
	}
	b.width = max(end, i.end()) - b.at
	b.items = append(b.items, i)
	return true
}

// split returns smaller blocks for one that the device refused: first without the gaps,
// then in halves. nil: it is a single item already.
func (b *block) split() []*block {
	if len(b.items) == 1 {
		return nil
	}
	parts := plan(b.items, limits{gap: 0, registers: b.table.maxRead()})
	if len(parts) == 1 {
		half := len(b.items) / 2
		parts = append(plan(b.items[:half], limits{registers: b.table.maxRead()}), plan(b.items[half:], limits{registers: b.table.maxRead()})...)
	}
	for _, p := range parts {
		p.StartAt(b.Due())
	}
	return parts
}

// slice returns the part of a block's answer that is the item's; of bits, one byte.
func (b *block) slice(data []byte, i *item) []byte {
	off := i.at - b.at
	if b.table.registers() {
		return data[2*off : 2*(off+i.width)]
	}
	return []byte{data[off/8] >> (off % 8) & 1}
}
