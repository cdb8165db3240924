package modbus

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"sensorgate/drivers"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testdata/vectors.json: frames from documents and traces.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ ID, Input string }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	input := map[string][]byte{}
	for _, v := range list {
		input[v.ID] = unhex(t, v.Input)
	}
	for id, want := range map[string][]byte{
		"MODBUS-1": seal(1, readRequest(Holding, 0, 10).pdu),
		"MODBUS-5": seal(1, readRequest(Input, 0, 2).pdu),
		"MODBUS-7": seal(0xFE, readRequest(Input, 3, 1).pdu),
	} {
		if string(input[id]) != string(want) {
			t.Errorf("%s: we send % X, want % X", id, want, input[id])
		}
	}
	answer := func(id string, r request) ([]byte, error) {
		pdu, _, ok := find(input[id], input[id][0], r)
		if !ok {
			return nil, errors.New("not found")
		}
		return r.check(pdu)
	}
	if data, err := answer("MODBUS-3", readRequest(Holding, 0x6B, 3)); err != nil || hex.EncodeToString(data) != "ae4156524340" {
		t.Errorf("MODBUS-3: got % X, %v", data, err)
	}
	if _, err := answer("MODBUS-9", readRequest(Holding, 0, 1)); !errors.Is(err, illegalAddress) || !errors.Is(err, drivers.ErrRefused) {
		t.Errorf("MODBUS-9: got %v, want exception 2", err)
	}
	if data, err := answer("MODBUS-11", readRequest(Discrete, 0, 1)); err != nil || len(data) != 1 || data[0] != 0 {
		t.Errorf("MODBUS-11: got % X, %v", data, err)
	}
	if data, err := answer("MODBUS-20", readRequest(Input, 0, 2)); err == nil {
		t.Errorf("MODBUS-20: a frame with a wrong CRC gave % X", data)
	}
	data, err := answer("SCD30-3", readRequest(Holding, 0x28, 6))
	if err != nil {
		t.Fatal("SCD30-3:", err)
	}
	for i, want := range []float64{439.095, 27.2383, 48.8067} {
		c, _ := newChannel("co2", "", Channel{Holding: ptr(0), Layout: typed(t, "f32")}, 0)
		v, err := c.decode(data[4*i : 4*i+4])
		if got, _ := v.Number(); err != nil || math.Abs(got-want) > 1e-3 {
			t.Errorf("SCD30-3 value %d: got %v, %v, want %v", i, v, err, want)
		}
	}
}

func TestAnswersThatDoNotFit(t *testing.T) {
	read := readRequest(Holding, 0, 2)
	for what, frame := range map[string][]byte{
		"another unit":          seal(2, []byte{3, 4, 0, 1, 0, 2}),
		"another function":      seal(1, []byte{4, 4, 0, 1, 0, 2}),
		"another length":        seal(1, []byte{3, 2, 0, 1}),
		"cut short":             seal(1, []byte{3, 4, 0, 1, 0, 2})[:8],
		"another's exception":   seal(1, []byte{0x84, 2}),
		"the request's echo":    seal(1, read.pdu),
		"length does not fit":   seal(1, []byte{3, 3, 0, 1, 0, 2}),
		"nothing but silence":   nil,
		"one byte":              {1},
		"zeros, whose CRC is 0": make([]byte, 300),
	} {
		if pdu, _, ok := find(frame, 1, read); ok {
			t.Errorf("%s was taken: % X", what, pdu)
		}
	}
	write := writeRequest(5, []byte{0, 9}, false)
	if pdu, _, ok := find(seal(1, []byte{6, 0, 5, 0, 8}), 1, write); !ok {
		t.Error("the confirmation was not found")
	} else if _, err := write.check(pdu); !errors.Is(err, drivers.ErrRefused) {
		t.Errorf("another value was confirmed: got %v, want a refusal", err)
	}
}

func TestAddressesThatAreDocumentNumbers(t *testing.T) {
	for _, c := range []struct {
		o    Channel
		want string
	}{
		{Channel{Holding: ptr(40001)}, "holding = 0"},
		{Channel{Input: ptr(30007)}, "input = 6"},
		{Channel{Discrete: ptr(10002)}, "discrete = 1"},
		{Channel{Holding: ptr(400101)}, "holding = 100"},
		{Channel{Holding: ptr(70000)}, "0 to 65535"},
		{Channel{Holding: ptr(1), Input: ptr(1)}, "exactly one"},
		{Channel{}, "exactly one"},
		{Channel{Input: ptr(1), Write: true}, "only holding"},
		{Channel{Coil: ptr(1), Layout: typed(t, "u16")}, "one bit"},
		{Channel{SunSpec: "x", At: ptr(2)}, "models"},
	} {
		err := c.o.Check()
		if ke, ok := err.(*drivers.KeyError); !ok || !strings.Contains(ke.Error()+ke.Expected, c.want) {
			t.Errorf("got %v, want something about %q", err, c.want)
		}
	}
	if err := (&Channel{Holding: ptr(40069), Exact: true}).Check(); err != nil {
		t.Errorf("an exact address: %v", err)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(seal(1, []byte{3, 4, 0, 1, 0, 2}), uint8(1), uint8(3), uint16(2))
	f.Add(seal(1, []byte{0x83, 2}), uint8(1), uint8(3), uint16(2))
	f.Add([]byte{0, 0, 0, 0, 0}, uint8(0), uint8(1), uint16(0))
	f.Fuzz(func(t *testing.T, got []byte, unit, fc uint8, n uint16) {
		table := Table(fc % 4)
		r := readRequest(table, 0, int(n)%table.maxRead()+1)
		pdu, _, ok := find(got, unit, r)
		if !ok {
			return
		}
		data, err := r.check(pdu)
		if err == nil && len(data) != table.bytes(int(n)%table.maxRead()+1) {
			t.Errorf("%d bytes for %d values of %s", len(data), n, table)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	r := readRequest(Holding, 0, 100)
	frame := seal(1, append([]byte{3, 200}, make([]byte, 200)...))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := find(frame, 1, r); !ok {
			b.Fatal("not found")
		}
	}
}
