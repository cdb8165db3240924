package serial

import "testing"

// A recording comes from anybody's disk: whatever is in it is read or refused.
func FuzzRecording(f *testing.F) {
	f.Add("0.043112 < 01 03 14")
	f.Add("1e999 > 0")
	f.Add("T=21.5 H=40")
	f.Fuzz(func(t *testing.T, line string) {
		p, err := parsePiece(line)
		if err == nil && p.at < 0 {
			t.Errorf("%q: before the start", line)
		}
	})
}
