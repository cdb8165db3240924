package modbus

import (
	"slices"
	"testing"
)

// objects of a device identification, as App 6.21 shows them.
var objectsAnswer = []byte{0x2B, 0x0E, 0x01, 0x01, 0x00, 0x00, 0x03,
	0x00, 0x03, 'A', 'B', 'C', 0x01, 0x02, 'X', '1', 0x02, 0x04, 'V', '2', '.', '1'}

func TestObjectsOfADevice(t *testing.T) {
	texts, n := parseObjects(append(slices.Clone(objectsAnswer), 0xFF))
	if !slices.Equal(texts, []string{"ABC", "X1", "V2.1"}) || n != len(objectsAnswer) {
		t.Errorf("got %q of %d bytes", texts, n)
	}
	for cut := range objectsAnswer {
		if texts, n := parseObjects(objectsAnswer[:cut]); n != 0 {
			t.Errorf("cut after %d bytes: %q", cut, texts)
		}
	}
	frame := seal(7, objectsAnswer)
	if got := findObjects(append([]byte{7, 7, 0x2B}, frame...), 7, false); len(got) != 3 {
		t.Errorf("after noise: %q", got)
	}
	frame[len(frame)-1] ^= 1
	if got := findObjects(frame, 7, false); got != nil {
		t.Errorf("with a wrong CRC: %q", got)
	}
}

func FuzzObjects(f *testing.F) {
	f.Add(objectsAnswer, false)
	f.Add(seal(1, objectsAnswer), false)
	f.Add([]byte{0, 1, 0, 0, 0, 4, 1, 0x2B, 0x0E, 1}, true)
	f.Fuzz(func(t *testing.T, p []byte, overTCP bool) {
		if texts, n := parseObjects(p); n > len(p) || len(texts) > maxObjects {
			t.Errorf("%d texts of %d bytes of %d", len(texts), n, len(p))
		}
		findObjects(p, 1, overTCP)
	})
}
