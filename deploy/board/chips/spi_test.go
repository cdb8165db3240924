package chips

import "testing"

// clocked sends bytes in mode 0 and returns what came back.
func clocked(c SPIChip, w ...byte) []byte {
	r := make([]byte, len(w))
	c.Select()
	for i := range 8 * len(w) {
		r[i/8] |= byte(c.Out()) << (7 - i%8)
		c.In(int(w[i/8]>>(7-i%8)) & 1)
	}
	return r
}

// DS21295 figure 6-1: the code of input 0 ends with the third byte.
func TestMCP3008(t *testing.T) {
	c := &MCP3008{Volts: [8]float64{1.65, 0.4125}, Reference: 3.3}
	for ask, want := range map[byte]int{0x80: 512, 0x90: 128, 0x00: 384} {
		r := clocked(c, 0x01, ask, 0x00)
		if got := int(r[1]&7)<<8 | int(r[2]); got != want {
			t.Errorf("asked %02x: % x, want %d after a null bit", ask, r, want)
		}
	}
}

// Data sheet 19-5793, table 4.
func TestMAX31855(t *testing.T) {
	if r := clocked(&MAX31855{Shown: 100.75, Junction: 25}, 0, 0, 0, 0); string(r) != "\x06\x4c\x19\x00" {
		t.Errorf("% x, want 06 4c 19 00", r)
	}
}

func TestBME280OverSPI(t *testing.T) {
	c := &SPIRegisters{Chip: NewBME280()}
	if r := clocked(c, 0xd0, 0); r[1] != 0x60 {
		t.Errorf("id % x, want 60", r)
	}
	clocked(c, 0x72, 0x03) // ctrl_hum
	if r := clocked(c, 0xf2, 0); r[1] != 0x03 {
		t.Errorf("ctrl_hum is % x, want 03", r)
	}
}
