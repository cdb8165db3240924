package meters

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// WMBusOptions of a meter on wireless M-Bus, heard by a receiver that prints a line per
// telegram. Several meters share one receiver as devices of one bus.
type WMBusOptions struct {
	serial.Wire
	Meter   string        `toml:"meter" example:"\"12345678\"" doc:"The identification of the meter, eight digits, as printed on it; without it the meters that are heard are listed."`
	KeyFile string        `toml:"key_file" example:"\"/etc/sensorgate/credentials/water.key\"" doc:"A file with the meter's AES key, 32 hexadecimal digits; for telegrams that are encrypted in mode 5."`
	Init    []field.Bytes `toml:"init" example:"['\"X21\" 0D 0A']" doc:"What the receiver must be sent first, for a CUL: ['\"X21\" 0D 0A', '\"brt\" 0D 0A']."`
	Silence time.Duration `toml:"silence" doc:"After this time without a telegram of the meter a fault is reported."`
}

// Check is called when the file is read.
func (o *WMBusOptions) Check() error {
	if o.Meter != "" {
		if _, err := wmbusID(o.Meter); err != nil {
			return &drivers.KeyError{Key: "meter", Problem: err.Error(), Try: `meter = "12345678"`}
		}
	}
	if o.Silence < 0 {
		return &drivers.KeyError{Key: "silence", Problem: fmt.Sprintf("found %v, expected 0s or more", o.Silence)}
	}
	return o.Wire.Check()
}

// Outputs are the quantities that meters usually have.
func (o *WMBusOptions) Outputs() []drivers.Channel { return new(MBusOptions).Outputs() }

func wmbusDriver(ws *serial.Wires) drivers.Driver {
	return drivers.Driver{
		Name:           "wmbus",
		Summary:        "wireless M-Bus meters, heard by a receiver that prints telegrams: CUL, rtl_wmbus, Elvaco CMeX50",
		Options:        func() any { return &WMBusOptions{Silence: time.Hour} },
		ChannelOptions: func() any { return new(MBusChannel) },
		Open: func(_ context.Context, s drivers.DeviceConfig) (any, error) {
			o := s.Options.(*WMBusOptions)
			d, err := newWMBusDecoder(o, s.Channels)
			if err != nil {
				return nil, err
			}
			talk := framing.DefaultDialogue()
			talk.Init = o.Init
			return framing.Open(ws, s, framing.Device{
				Wire: o.Wire, Silence: o.Silence, Dialogue: talk, Decoder: d,
				Framer: framing.Framer{Cutter: &framing.LineCutter{Max: maxWMBusLine}},
			})
		},
	}
}

// maxWMBusLine has a telegram of 256 bytes with the sums of its blocks, in hexadecimal
// digits, and what receivers print before it.
const maxWMBusLine = 800

// wmbusID is an identification as it is printed, in the order in which it is sent.
func wmbusID(text string) (id [4]byte, err error) {
	p, err := hex.DecodeString(text)
	if err != nil || len(p) != len(id) {
		return id, fmt.Errorf("found %q, expected eight digits", text)
	}
	for i := range id {
		id[i] = p[len(p)-1-i]
	}
	return id, nil
}

// wmbusDecoder takes the telegrams of one meter out of what a receiver prints.
type wmbusDecoder struct {
	any    bool // no meter is named: those that are heard are listed
	id     [4]byte
	cipher *wmbusCipher // nil: no key
	mbusMeter
}

func newWMBusDecoder(o *WMBusOptions, channels []drivers.ChannelConfig) (*wmbusDecoder, error) {
	d := &wmbusDecoder{any: o.Meter == "", mbusMeter: mbusMeter{channels: channels}}
	if !d.any {
		var err error
		if d.id, err = wmbusID(o.Meter); err != nil {
			return nil, fmt.Errorf("meter: %w", err)
		}
	}
	if o.KeyFile == "" {
		return d, nil
	}
	text, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	if d.cipher, err = newWMBusCipher(strings.TrimSpace(string(text))); err != nil {
		return nil, fmt.Errorf("key_file %s: %w", o.KeyFile, err)
	}
	return d, nil
}

var errNoMeter = errors.New("meter is not set (try meter with one of those that read lists)")

// Decode takes one line. What is no telegram, such as the receiver's own messages, is
// passed over; a telegram of another meter is listed.
func (d *wmbusDecoder) Decode(line []byte, r *framing.Results) {
	telegram, err := wmbusLine(line)
	if err != nil || telegram == nil {
		if err != nil {
			r.Reject(err)
		}
		return
	}
	head := wmbusHead(telegram)
	if d.any || head.id != d.id {
		r.Other("meter", head.number(), "", drivers.Text(head.maker()+" "+head.mediumName()))
		if d.any {
			r.Reject(errNoMeter)
		}
		return
	}
	if err := d.records(head, telegram[wmbusHeadSize:], r); err != nil {
		r.Reject(fmt.Errorf("telegram of %s: %w", head.number(), err))
	}
}

// records puts what stands behind the head: CI, perhaps a header, data.
func (d *wmbusDecoder) records(head wmbusAddress, p []byte, r *framing.Results) error {
	p, err := wmbusPlain(head, p, d.cipher)
	if err != nil {
		return err
	}
	// The application layer is that of wired M-Bus, where six bytes stand before CI and two
	// behind the data.
	frame := append(append(make([]byte, 6, 8+len(p)), p...), 0, 0)
	var t mbusTelegram
	if err = t.decode(frame); err != nil && len(t.records) == 0 {
		return err
	}
	for _, record := range t.records {
		d.put(record, r)
	}
	return err
}
