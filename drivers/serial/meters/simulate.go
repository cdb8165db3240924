package meters

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// Simulated meters: telegrams with plausible values in all channels that the driver knows
// and the file adds.

// quantity is one value of a simulated meter.
type quantity struct {
	code    obisCode
	channel drivers.Channel
}

// quantities are what a meter has: the usual channels and those of the file that have a
// code. Of one name the file's counts.
func quantities(usual []obisChannel, channels []drivers.ChannelConfig) (list []quantity) {
	own := map[string]bool{}
	for _, c := range channels {
		var o *OBISChannel
		switch given := c.Options.(type) {
		case *OBISChannel:
			o = given
		case *P1Channel:
			o = &given.OBISChannel
		}
		if o == nil {
			continue
		}
		own[c.Name] = true
		if code, ok := parseOBIS(string(o.OBIS)); ok && o.StatusBit == nil {
			list = append(list, quantity{code, drivers.Channel{Name: c.Name, Unit: c.Unit}})
		} else if o.OBIS == "" {
			own[c.Name] = false
		}
	}
	for _, u := range usual {
		if code, ok := parseOBIS(u.code); ok && !own[u.Name] {
			list = append(list, quantity{code, u.Channel})
		}
	}
	return list
}

// likely is the nth value, with as many digits as meters print.
func (q *quantity) likely(n int, ran time.Duration) float64 {
	v := drivers.Likely(q.channel, n, nil, nil, ran)
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'f', digitsOf(q.channel.Unit), 64), 64)
	return v
}

func digitsOf(unit string) int {
	switch unit {
	case "kWh", "m³", "kvarh":
		return 3
	case "V":
		return 1
	case "A", "Hz":
		return 2
	}
	return 0
}

func valuesOf(list []quantity) func(time.Duration) []drivers.Reading {
	return func(ran time.Duration) (rs []drivers.Reading) {
		for n := range list {
			q := &list[n]
			rs = append(rs, drivers.Reading{Channel: q.channel.Name, Unit: q.channel.Unit, Value: drivers.Number(q.likely(n, ran))})
		}
		return rs
	}
}

// dataSets writes data sets as D0 and P1 have them, power in kW.
func dataSets(list []quantity, ran time.Duration) []byte {
	var b bytes.Buffer
	for n := range list {
		q := &list[n]
		v, unit, digits := q.likely(n, ran), q.channel.Unit, digitsOf(q.channel.Unit)
		if unit == "W" {
			v, unit, digits = v/1000, "kW", 3
		}
		fmt.Fprintf(&b, "%s(%0*.*f*%s)\r\n", q.code, 10, digits, v, unit)
	}
	return b.Bytes()
}

// everyTelegram is how often meters speak by themselves.
const everyTelegram = 2 * time.Second

// simulateP1 is a port with a gas meter behind it.
func simulateP1(s drivers.DeviceConfig) (drivers.Simulation, error) {
	o := s.Options.(*P1Options)
	list := quantities(p1Channels, s.Channels)
	sum, err := field.Named("crc16-arc")
	gas := drivers.Channel{Name: "gas", Unit: "m³", Kind: drivers.Total}
	all := append(list[:len(list):len(list)], quantity{channel: gas})
	return drivers.Simulation{
		Every: everyTelegram, Values: func(ran time.Duration) []drivers.Reading {
			return append(valuesOf(all)(ran), drivers.Reading{Channel: "tariff", Value: drivers.Number(2)})
		},
		Speak: func(ran time.Duration) []byte {
			at := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC).Add(ran).Format("060102150405") + "W"
			gasNow := all[len(all)-1].likely(len(all)-1, ran)
			t := append([]byte("/SIM5 sensorgate\r\n\r\n0-0:96.14.0(0002)\r\n"), dataSets(list, ran)...)
			t = fmt.Appendf(t, "0-1:24.1.0(003)\r\n0-1:24.2.1(%s)(%09.3f*m3)\r\n!", at, gasNow)
			if o.CRC {
				t = fmt.Appendf(t, "%04X", sum.Of(t))
			}
			return append(t, "\r\n"...)
		},
	}, err
}

// simulateD0 is a meter in mode D or C.
func simulateD0(s drivers.DeviceConfig) (drivers.Simulation, error) {
	o := s.Options.(*D0Options)
	list := quantities(obisChannels, s.Channels)
	sim := drivers.Simulation{Values: valuesOf(list)}
	block := func(ran time.Duration) []byte {
		return append(dataSets(list, ran), "!\r\n"...)
	}
	if o.Mode == D0Push {
		sim.Every = everyTelegram
		sim.Speak = func(ran time.Duration) []byte { return append([]byte("/SIM5sensorgate\r\n\r\n"), block(ran)...) }
		return sim, nil
	}
	sim.Answer = func(ran time.Duration, heard []byte) (answer, rest []byte) {
		// Sign-on, and then the acknowledgement that chooses the speed. 6.3.1 and 6.3.3.
		if i := bytes.IndexByte(heard, d0ACK); i >= 0 && len(heard) >= i+6 {
			data := append(block(ran), d0ETX)
			answer = append(append([]byte{d0STX}, data...), byte(xor8.Of(data)))
			return answer, heard[i+6:]
		}
		if i := bytes.Index(heard, []byte("!\r\n")); i >= 0 {
			return []byte("/SIM5sensorgate\r\n"), heard[i+3:]
		}
		return nil, heard
	}
	return sim, nil
}

// simulateTeleinfo is a customer port.
func simulateTeleinfo(s drivers.DeviceConfig) (drivers.Simulation, error) {
	o := s.Options.(*TeleinfoOptions)
	type group struct {
		label  string
		factor float64
		quantity
	}
	var groups []group
	var list []quantity
	for _, l := range teleinfoLabels[o.Mode] {
		groups = append(groups, group{l.label, l.factor, quantity{channel: l.Channel}})
	}
	for _, c := range s.Channels {
		if t, ok := c.Options.(*TeleinfoChannel); ok && t.Map == nil && t.Label != "" {
			scale := t.Scale
			if scale == 0 {
				scale = 1
			}
			groups = append(groups, group{t.Label, 1 / scale, quantity{channel: drivers.Channel{Name: c.Name, Unit: c.Unit}}})
		}
	}
	for _, g := range groups {
		list = append(list, g.quantity)
	}
	// The port sends whole numbers.
	whole := func(n int, ran time.Duration) int {
		return int(groups[n].likely(n, ran)*groups[n].factor + 0.5)
	}
	return drivers.Simulation{
		Every: everyTelegram,
		Values: func(ran time.Duration) (rs []drivers.Reading) {
			for n, q := range list {
				v := drivers.Scale(float64(whole(n, ran)), 1/groups[n].factor, 0)
				rs = append(rs, drivers.Reading{Channel: q.channel.Name, Unit: q.channel.Unit, Value: drivers.Number(v)})
			}
			return rs
		},
		Speak: func(ran time.Duration) []byte {
			t := []byte{2}
			for n, g := range groups {
				t = append(t, teleinfoGroup(o.Mode, g.label, fmt.Sprintf("%09d", whole(n, ran)))...)
			}
			return append(t, 3)
		},
	}, nil
}

// teleinfoGroup writes a group with its check character.
func teleinfoGroup(mode TeleinfoMode, label, value string) []byte {
	separator, protected := "\t", label+"\t"+value+"\t"
	if mode == Historic {
		separator, protected = " ", label+" "+value
	}
	return []byte("\n" + label + separator + value + separator + string(rune(teleinfoCheck([]byte(protected)))) + "\r")
}
