package framing

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest/soak"
	"sensorgate/drivers/field"
	"sensorgate/internal/mapping"
)

// way is what bytes go through: framer, decoder, mapper.
func way(f Framer, d Decoder) func() func([]byte) []soak.Result {
	return func() func([]byte) []soak.Result {
		f := f
		m := mapping.New(mapping.Device{Name: "x", Node: "n", TopicTemplate: "{node}/{device}/{channel}"})
		at := time.Unix(1e9, 0)
		var r Results
		return func(wire []byte) (list []soak.Result) {
			at = at.Add(time.Second)
			f.Push(wire, at)
			for {
				frame, at, err, ok := f.Next()
				if !ok {
					return list
				}
				if err != nil {
					continue
				}
				r.Reset(at)
				d.Decode(frame, &r)
				m.Messages(r.Readings, true)
				list = append(list, soak.Result{Frame: bytes.Clone(frame), Readings: append([]drivers.Reading(nil), r.Readings...)})
			}
		}
	}
}

func TestSoakFrames(t *testing.T) {
	at, least, most := 12, 0.0, 5000.0
	o := defaultFrames().(*FramesOptions)
	o.Framing = *framings(t)["sync"]
	d, err := newFrameDecoder(o, []drivers.ChannelConfig{{Name: "pm2_5", Options: &FrameChannel{At: &at, Layout: field.Layout{Value: field.Value{Min: &least, Max: &most}}}}})
	if err != nil {
		t.Fatal(err)
	}
	soak.Run(t, soak.Protocol{
		Name: "frames with a sum of 16 bits", Frames: [][]byte{pmsFrame(7), pmsFrame(250)}, Path: way(o.Framing.framer(), d),
		Valid: func(p []byte) bool {
			var sum uint16
			for _, b := range p[:len(p)-2] {
				sum += uint16(b)
			}
			return sum == uint16(p[len(p)-2])<<8|uint16(p[len(p)-1])
		},
		Ranges: drivers.Ranges{"pm2_5": {Name: "pm2_5", Min: least, Max: most}},
	})
}

// The text blocks of a Victron: the sum of all bytes is 0.
func TestSoakTextBlocks(t *testing.T) {
	zero := uint64(0)
	sum, _ := field.Named("sum8")
	o := defaultFrames().(*FramesOptions)
	o.Framing = Framing{End: "\r\nChecksum\t", Tail: 1, Max: 1024, Check: &field.Check{Kind: sum, Equals: &zero}, Drop: regexp.MustCompile(`:[0-9A-F]+\n`)}
	o.Separator = "\t"
	if err := o.Framing.check(); err != nil {
		t.Fatal(err)
	}
	d, err := newFrameDecoder(o, []drivers.ChannelConfig{{Name: "voltage", Options: &FrameChannel{Selector: Selector{Key: "V"}, Layout: field.Layout{Value: field.Value{Scale: 0.001}}}}})
	if err != nil {
		t.Fatal(err)
	}
	block := []byte("\r\nPID\t0x203\r\nV\t12865\r\nI\t-230\r\nAlarm\tOFF\r\nChecksum\t")
	var total byte
	for _, b := range block {
		total += b
	}
	soak.Run(t, soak.Protocol{
		Name: "VE.Direct (sum of 8 bits)", Frames: [][]byte{append(block, -total)}, Path: way(o.Framing.framer(), d),
		Valid: func(p []byte) bool {
			var n byte
			for _, b := range p {
				n += b
			}
			return n == 0
		},
	})
}

// Lines have no check: what holds is the plausible range.
func TestSoakLines(t *testing.T) {
	least, most := -1.0, 300.0
	c := &LineChannel{Value: field.Value{Min: &least, Max: &most}, UnitIn: "unit"}
	d := newTextDecoder(Text{Match: regexp.MustCompile(`^ST,(?:GS|NT),(?P<weight>[+-] *\d+\.\d+) *(?P<unit>kg|g)$`)}, textFields([]drivers.ChannelConfig{{Name: "weight", Unit: "kg", Options: c}}))
	soak.Run(t, soak.Protocol{
		Name: "lines", Unchecked: "a line of text has no check sum", Frames: [][]byte{[]byte("ST,GS,+   1.234kg\r\n"), []byte("ST,NT,+   500.0 g\r\n")},
		Path: way(Framer{Cutter: &LineCutter{Max: 80}}, d), Ranges: drivers.Ranges{"weight": {Name: "weight", Min: least, Max: most}},
	})
}
