package gateway

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/modbus"
	"sensorgate/internal/config"
)

// simulated is a device made of a model: a plausible number in each of its registers.
type simulated struct {
	registers map[string]map[int]string // words by table and address
	want      map[string]string         // of channels whose registers are theirs alone
}

const sunspecModelLength = 200

// simulate makes registers of a model's own channels.
func simulate(t *testing.T, dev config.Device) simulated {
	t.Helper()
	s := simulated{registers: map[string]map[int]string{"holding": {}, "input": {}}, want: map[string]string{}}
	bases := s.sunspecModels(dev)
	s.conditions(t, dev)
	owner := map[string]string{}
	n := 0
	for _, cc := range dev.Config.Channels {
		o := *cc.Options.(*modbus.Channel)
		table, at := "holding", 0
		switch {
		case o.Input != nil:
			table, at = "input", *o.Input
		case o.Holding != nil:
			at = *o.Holding
		case o.SunSpec != "":
			at = bases[o.SunSpec] + *o.At
		case o.Coil != nil:
			s.want[cc.Name] = strconv.FormatBool(*o.Coil%3 == 0)
			continue
		default:
			s.want[cc.Name] = strconv.FormatBool(*o.Discrete%3 == 0)
			continue
		}
		n++
		if o.Order == (modbus.Channel{}).Order {
			o.Order = dev.Config.Options.(*modbus.Options).Order
		}
		if o.Bit != nil { // several channels have a bit each of one register
			old, _ := strconv.ParseUint(s.registers[table][at], 16, 16)
			s.registers[table][at] = fmt.Sprintf("%04x", old|uint64(n%2)<<*o.Bit)
			s.want[cc.Name] = strconv.FormatBool(n%2 == 1)
			continue
		}
		payload := plausible(&o, n)
		data, err := o.Encode(drivers.Command{Payload: []byte(payload)})
		if err != nil {
			t.Fatalf("%s: %s does not fit its registers: %v", cc.Name, payload, err)
		}
		alone := len(o.Plus)+len(o.Minus) == 0 && o.Bits == nil
		if len(data)%2 != 0 {
			data = append([]byte{0}, data...)
		}
		for i := 0; i < len(data); i += 2 {
			word := fmt.Sprintf("%04x", binary.BigEndian.Uint16(data[i:]))
			key := fmt.Sprint(table, at+i/2)
			if other, taken := owner[key]; taken && s.registers[table][at+i/2] != word {
				delete(s.want, other)
				alone = false
			}
			owner[key] = cc.Name
			s.registers[table][at+i/2] = word
		}
		if o.SF != nil {
			s.registers[table][bases[o.SunSpec]+*o.SF] = "0000"
		}
		if o.Sign != nil {
			s.registers[table][bases[o.SunSpec]+*o.Sign] = "0000"
		}
		for _, more := range append(slices.Clone(o.Plus), o.Minus...) {
			for i := range len(data) / 2 {
				if _, taken := s.registers[table][bases[o.SunSpec]+more+i]; !taken {
					s.registers[table][bases[o.SunSpec]+more+i] = "0000"
				}
			}
		}
		if alone && s.has(o.Only) {
			s.want[cc.Name] = payload
		}
	}
	return s
}

// conditions makes the device the first variant that the model has channels of its own for.
func (s *simulated) conditions(t *testing.T, dev config.Device) {
	for _, cc := range dev.Config.Channels {
		only := cc.Options.(*modbus.Channel).Only
		if only == nil {
			continue
		}
		n, err := strconv.ParseUint(only.Is[0], 10, 16)
		if err != nil || only.Input == nil {
			t.Fatalf("%s: this test knows variants by an input register of u16: %v", cc.Name, err)
		}
		if _, taken := s.registers["input"][*only.Input]; !taken {
			s.registers["input"][*only.Input] = fmt.Sprintf("%04x", n)
		}
	}
}

// has reports whether the device is of the variant that a channel is for.
func (s *simulated) has(only *modbus.Identity) bool {
	return only == nil || slices.ContainsFunc(only.Is, func(is string) bool {
		n, err := strconv.ParseUint(is, 10, 16)
		return err == nil && s.registers["input"][*only.Input] == fmt.Sprintf("%04x", n)
	})
}

// otherVariants takes out the faults of channels that this variant does not have.
func otherVariants(faults map[string]string) map[string]string {
	maps.DeleteFunc(faults, func(_, fault string) bool {
		return strings.Contains(fault, "this device does not have it")
	})
	return faults
}

// sunspecModels lays the first model of each list out, and returns where they are.
func (s *simulated) sunspecModels(dev config.Device) map[string]int {
	bases := map[string]int{}
	at := 40002
	for _, cc := range dev.Config.Channels {
		o := cc.Options.(*modbus.Channel)
		if o.SunSpec == "" || bases[o.SunSpec] != 0 {
			continue
		}
		first, _, _ := strings.Cut(o.SunSpec, ",")
		number, _ := strconv.Atoi(first)
		h := s.registers["holding"]
		h[40000], h[40001] = "5375", "6e53"
		h[at], h[at+1] = fmt.Sprintf("%04x", number), fmt.Sprintf("%04x", sunspecModelLength)
		bases[o.SunSpec] = at
		at += sunspecModelLength + 2
		h[at], h[at+1] = "ffff", "0000"
	}
	return bases
}

// plausible is a value for the nth channel: a name of its map, or a number in its range.
func plausible(o *modbus.Channel, n int) string {
	if o.Map != nil {
		raws := slices.Sorted(maps.Keys(o.Map))
		return o.Map[raws[n%len(raws)]]
	}
	if o.Type.IsText() {
		return strconv.Itoa(100 + n)[:min(3, o.Len)]
	}
	v := float64(20 + n)
	if o.Min != nil && v < *o.Min {
		v = *o.Min + 1
	}
	if o.Max != nil && v > *o.Max {
		v = *o.Max
	}
	scale := o.Scale
	if scale == 0 {
		scale = 1
	}
	raw := drivers.Scale(v-o.Offset, 1/scale, 0) // a whole raw number, so that nothing is lost
	return drivers.Number(drivers.Scale(float64(int64(raw)), scale, o.Offset)).String()
}

// Every model is run end to end against a device made of its own registers: it loads, its
// registers do not collide, its requests are within what it allows, every channel comes
// with its value and unit, and nothing else comes.
func TestEveryModbusModelReadsItsOwnRegisters(t *testing.T) {
	cat := wireCatalogue(t)
	for _, m := range modbusModels(t) {
		t.Run(strings.ReplaceAll(m.Name, "/", " "), func(t *testing.T) {
			t.Parallel() // they mostly wait
			file := filepath.Join(t.TempDir(), "sensorgate.toml")
			text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = \"127.0.0.1:1\"\n", m.Name)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, problems := config.Load(file, cat)
			if cfg == nil {
				t.Fatal(problems)
			}
			s := simulate(t, cfg.Devices[0])
			r := registers{}
			for table, words := range s.registers {
				r[table] = words
			}
			values, faults := readModel(t, cat, m.Name, modbusDevice(t, r, true))
			for _, cc := range cfg.Devices[0].Config.Channels {
				if _, ok := values[cc.Name]; !ok && faults[cc.Name] == "" {
					t.Errorf("%s did not come and nobody knows why", cc.Name)
				}
			}
			for channel, want := range s.want {
				got, _, _ := strings.Cut(values[channel], " ")
				if got != want && values[channel] != want {
					t.Errorf("%s is %q, want %s (fault: %s)", channel, values[channel], want, faults[channel])
				}
			}
			if len(otherVariants(faults)) > 0 {
				t.Errorf("faults: %v", faults)
			}
		})
	}
}
