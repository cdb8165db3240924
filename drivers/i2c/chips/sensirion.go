package chips

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers/i2c/bus"
)

// crc8 is the checksum with polynomial 0x31 (x⁸+x⁵+x⁴+1), high bit first. Sensirion and
// Aosong start with 0xff, the HTU21D with 0. SHT3x data sheet section 4.12.
func crc8(start byte, b ...byte) byte {
	c := start
	for _, x := range b {
		c ^= x
		for range 8 {
			if c&0x80 != 0 {
				c = c<<1 ^ 0x31
			} else {
				c <<= 1
			}
		}
	}
	return c
}

// command sends a 16-bit command, each argument followed by its checksum.
func command(ctx context.Context, d *bus.Dev, cmd uint16, args ...uint16) error {
	b := []byte{byte(cmd >> 8), byte(cmd)}
	for _, a := range args {
		hi, lo := byte(a>>8), byte(a)
		b = append(b, hi, lo, crc8(0xff, hi, lo))
	}
	return d.Tx(ctx, b, nil)
}

// words reads n words, each under its checksum.
func words(ctx context.Context, d *bus.Dev, n int) ([]uint16, error) {
	b, err := d.Read(ctx, 3*n)
	if err != nil {
		return nil, err
	}
	ws := make([]uint16, n)
	for i := range ws {
		hi, lo, crc := b[3*i], b[3*i+1], b[3*i+2]
		if want := crc8(0xff, hi, lo); crc != want {
			return nil, fmt.Errorf("checksum of word %d is 0x%02x, expected 0x%02x", i, crc, want)
		}
		ws[i] = uint16(hi)<<8 | uint16(lo)
	}
	return ws, nil
}

// ask sends a command, waits as long as it may take, and reads n words.
func ask(ctx context.Context, d *bus.Dev, wait time.Duration, n int, cmd uint16, args ...uint16) ([]uint16, error) {
	if err := command(ctx, d, cmd, args...); err != nil {
		return nil, err
	}
	if err := bus.Sleep(ctx, wait); err != nil {
		return nil, err
	}
	return words(ctx, d, n)
}
