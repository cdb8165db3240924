package chips

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"periph.io/x/conn/v3/i2c"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/bus"
)

// want is what a chip has to give, in the order of its channels.
type want = driverstest.Want

func w(channel string, value, within float64) want {
	return want{Channel: channel, Value: value, Within: within}
}

// sit gives the exam of a driver: a chip at an address with the default options, changed
// by edit.
func sit[O located](make func(*bus.Buses) drivers.Driver, addr uint16, edit func(O)) driverstest.I2CExam {
	return driverstest.I2CExam{
		Address: addr,
		Driver: func(b *driverstest.I2CBus) (drivers.Driver, func(context.Context) error) {
			buses := onFake(b)
			return make(buses), buses.Run
		},
		Config: func(d drivers.Driver) drivers.DeviceConfig {
			o := d.Options().(O)
			o.at().I2C = bus.Addr{Bus: "1", Chip: addr}
			if edit != nil {
				edit(o)
			}
			return drivers.DeviceConfig{Device: "d", Options: o}
		},
	}
}

func onFake(b *driverstest.I2CBus) *bus.Buses {
	return bus.NewOn(slog.New(slog.DiscardHandler), func(string) (i2c.BusCloser, error) { return b, nil })
}

// vector is one entry of testdata/vectors.json: numbers from data sheets and the makers'
// own code, with their source.
type vector struct {
	ID, What, Source string
	Input            json.RawMessage
	Expect           map[string]any
}

// load reads the vector called id.
func load(t testing.TB, id string) vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.ID == id {
			return v
		}
	}
	t.Fatalf("no vector %s", id)
	return vector{}
}

// bytes gives the input's bytes, or those of one of its keys.
func (v vector) bytes(t testing.TB, key string) []byte {
	t.Helper()
	var s string
	if key == "" {
		if err := json.Unmarshal(v.Input, &s); err != nil {
			t.Fatal(err)
		}
	} else {
		var m map[string]string
		if err := json.Unmarshal(v.Input, &m); err != nil {
			t.Fatal(err)
		}
		s = m[key]
	}
	return unhex(t, s)
}

func (v vector) number(t testing.TB, key string) float64 {
	t.Helper()
	f, ok := v.Expect[key].(float64)
	if !ok {
		t.Fatalf("%s expects no %s", v.ID, key)
	}
	return f
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
