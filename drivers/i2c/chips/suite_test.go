package chips

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/i2ctest"
)

// want is a reading that must come.
type want = driverstest.Want

func w(channel string, value, within float64) want {
	return want{Channel: channel, Value: value, Within: within}
}

// suite makes the conformance suite of a driver: a chip at an address with the default
// options, changed by edit.
func suite[O any](make func(*bus.Buses) drivers.Driver, addr uint16, edit func(O)) i2ctest.Suite {
	return i2ctest.Suite{Driver: make, Address: addr, Configure: func(_ drivers.Driver, c *drivers.DeviceConfig) {
		if edit != nil {
			edit(c.Options.(O))
		}
	}}
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

// bytes returns the input's bytes, or those of one of its keys.
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

// withChannels opens the device with these channels too, and checks its options.
func withChannels(t *testing.T, s i2ctest.Suite, channels func(drivers.Driver) []drivers.ChannelConfig) i2ctest.Suite {
	before := s.Configure
	s.Configure = func(d drivers.Driver, c *drivers.DeviceConfig) {
		before(d, c)
		if err := c.Options.(drivers.Checker).Check(); err != nil {
			t.Error(err)
		}
		c.Channels = channels(d)
	}
	return s
}
