package modbus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// Identity is a register by which a device is known: its maker's number or name for the
// model. A device whose number nobody knows is not refused: makers go on making models.
type Identity struct {
	Input   *int        `choice:"register" toml:"input" example:"52" doc:"The address of an input register, counted from 0."`
	Holding *int        `choice:"register" toml:"holding" example:"100" doc:"The address of a holding register, counted from 0."`
	Type    field.Type  `toml:"type" example:"\"u16\"" doc:"The type of the value."`
	Order   field.Order `toml:"order" example:"\"CDAB\"" doc:"The order in which the bytes of the number come; default: the device's."`
	Len     int         `toml:"len" example:"8" doc:"How many bytes a text has."`
	Is      []string    `toml:"is" example:"[\"1201\"]" doc:"What it reads on the devices that are meant: numbers, or how the text begins."`
	Others  []string    `toml:"others" example:"[\"1202\"]" doc:"What it reads on other devices of the maker: these are refused."`
}

// Check is called when the file is read.
func (i *Identity) Check() error {
	if (i.Input == nil) == (i.Holding == nil) {
		return &drivers.KeyError{Key: "holding", Problem: "found none or both", Expected: "exactly one of input, holding"}
	}
	if len(i.Is) == 0 {
		return &drivers.KeyError{Key: "is", Problem: "is missing", Try: `is = ["3"]`}
	}
	return i.layout(field.Order{}).Check()
}

func (i *Identity) layout(usual field.Order) *field.Layout {
	l := &field.Layout{Type: i.Type, Order: i.Order, Len: i.Len}
	if l.Order == (field.Order{}) {
		l.Order = usual
	}
	return l
}

// place is where it stands, and in how many registers.
func (i *Identity) place() (t Table, at, n int) {
	n = (i.layout(field.Order{}).Size() + 1) / 2
	if i.Input != nil {
		return Input, *i.Input, n
	}
	return Holding, *i.Holding, n
}

// value returns what the registers read, "" for nothing.
func (i *Identity) value(p []byte, usual field.Order) string {
	l := i.layout(usual)
	if size := l.Size(); size < len(p) {
		p = p[:size]
	}
	v, err := l.Decode(p)
	if err != nil {
		return ""
	}
	return v.String()
}

// fits reports whether a value is one of a list.
func (i *Identity) fits(value string, list []string) bool {
	for _, known := range list {
		if value == known || i.Type.IsText() && strings.HasPrefix(value, known) {
			return true
		}
	}
	return false
}

// identify looks whether the device is one of those that its model is for. A device that
// cannot be asked, or that says something unknown, is taken as it is.
func (d *device) identify(ctx context.Context) error {
	t, at, n := d.identity.place()
	p, _, err := d.read(ctx, t, at, n, time.Time{})
	// Not a gateway's word that the unit did not answer it: nobody was asked.
	if errors.As(err, new(exception)) && !errors.Is(err, drivers.ErrNoAnswer) {
		return nil
	}
	if err != nil {
		return err
	}
	if value := d.identity.value(p, d.order); d.identity.fits(value, d.identity.Others) {
		return fmt.Errorf("%w: this is another device than its model is for: %s %d reads %s, which should be %s (see: sensorgate scan modbus)",
			drivers.ErrRefused, t, at, value, strings.Join(d.identity.Is, " or "))
	}
	return nil
}

// known is called with the first answer of a unit that has kept silent about what it is:
// there are devices that do where they should refuse. It is asked once more, now that it
// answers, and what is silent still is taken as it is.
func (d *device) known(ctx context.Context) error {
	err := d.identify(ctx)
	if errors.Is(err, drivers.ErrNoAnswer) && ctx.Err() == nil {
		d.after, err = time.Now().Add(d.timeout), nil // the answer may still come: nobody may take it
	}
	if err == nil {
		d.identified, d.mute = true, false
	}
	return err
}

// Device identification. App 6.21: function 43, MEI type 14, read code 1 (basic), from
// object 0 on.
const (
	identificationType = 14
	basicObjects       = 1
	maxObjects         = 16
)

// Candidate is a model that a device may be of.
type Candidate struct {
	Model    string
	Identity *Identity // nil: none
	SunSpec  []int     // numbers of SunSpec models of which it needs one
}

// CandidateOf makes a candidate of a device's options and channels.
func CandidateOf(model string, c drivers.DeviceConfig) (Candidate, bool) {
	o, ok := c.Options.(*Options)
	if !ok {
		return Candidate{}, false
	}
	candidate := Candidate{Model: model, Identity: o.Identity}
	for _, cc := range c.Channels {
		if ch, ok := cc.Options.(*Channel); ok && ch.SunSpec != "" && candidate.SunSpec == nil {
			candidate.SunSpec, _ = parseModels(ch.SunSpec) // checked when the file was read
		}
	}
	return candidate, candidate.Identity != nil || candidate.SunSpec != nil
}

// Identification is what a device tells of itself.
type Identification struct {
	Says   []string // maker, product, revision, as far as it has function 43
	Models []string // that it may be read with
}

// Identify asks the unit who it is: function 43, the SunSpec map, and the registers by
// which the candidates are known. It writes nothing. What is not answered is passed over.
func (c *Client) Identify(ctx context.Context, candidates []Candidate) (found Identification) {
	found.Says = c.objects(ctx)
	sunspec := c.sunspec(ctx)
	asked := map[string]string{}
	for _, candidate := range candidates {
		for _, number := range candidate.SunSpec {
			if sunspec[number] {
				found.Models = append(found.Models, candidate.Model)
				break
			}
		}
		if candidate.Identity == nil || ctx.Err() != nil {
			continue
		}
		t, at, n := candidate.Identity.place()
		key := fmt.Sprint(t, at, n)
		if _, known := asked[key]; !known {
			p, err := c.Read(ctx, t, at, n)
			if err != nil {
				p = nil
			}
			asked[key] = string(p)
		}
		if p := asked[key]; p != "" && candidate.Identity.fits(candidate.Identity.value([]byte(p), field.Order{}), candidate.Identity.Is) {
			found.Models = append(found.Models, candidate.Model)
		}
	}
	return found
}

// sunspec returns the numbers of the SunSpec models that the unit has.
func (c *Client) sunspec(ctx context.Context) map[int]bool {
	d := &device{bus: c.bus, transport: c.transport, unit: c.unit, line: c.line}
	models, err := d.models(ctx)
	if err != nil {
		return nil
	}
	numbers := map[int]bool{}
	for _, m := range models {
		numbers[m.number] = true
	}
	return numbers
}

// objects asks for the device identification. Its answer has a length that nobody knows
// before, so it does not go the way of other requests.
func (c *Client) objects(ctx context.Context) (texts []string) {
	pdu := []byte{encapsulated, identificationType, basicObjects, 0}
	overTCP, isTCP := c.transport.(*tcp)
	frame, timeout := seal(c.unit, pdu), c.timeout
	if isTCP {
		id := overTCP.next()
		frame = append([]byte{byte(id >> 8), byte(id), 0, 0, 0, byte(len(pdu) + 1), c.unit}, pdu...)
	}
	_ = c.do(ctx, func(s *serial.Transaction) error { // that there is no answer is no fault
		if err := s.Quiet(silence(c.line)); err != nil {
			return err
		}
		if err := s.Write(frame); err != nil {
			return err
		}
		var got []byte
		var buf [maxRTU]byte
		for deadline := time.Now().Add(timeout); texts == nil; {
			n, _, err := s.Read(buf[:], deadline)
			if err != nil {
				return err
			}
			if got = append(got, buf[:n]...); len(got) > 4*maxRTU {
				return nil
			}
			if texts = findObjects(got, c.unit, isTCP); texts != nil || refusedObjects(got, c.unit) {
				return nil
			}
		}
		return nil
	})
	return texts
}

// refusedObjects reports whether the unit has refused function 43, as most do.
func refusedObjects(got []byte, unit byte) bool {
	return bytes.Contains(got, []byte{unit, encapsulated | exceptionBit})
}

// findObjects looks for an identification in what came: a whole message of the unit, with
// its CRC or header.
func findObjects(got []byte, unit byte, overTCP bool) []string {
	if overTCP {
		adu, _, err := cutADU(got)
		if err != nil || adu == nil || adu[6] != unit {
			return nil
		}
		texts, _ := parseObjects(adu[mbapHeader:])
		return texts
	}
	for ; len(got) >= 5; got = got[1:] {
		if got[0] != unit || got[1] != encapsulated {
			continue
		}
		texts, n := parseObjects(got[1:])
		if n > 0 && len(got) >= n+3 && uint16(crcModbus.Of(got[:n+1])) == binary.LittleEndian.Uint16(got[n+1:]) {
			return texts
		}
	}
	return nil
}

// parseObjects reads the objects of an answer to function 43, and returns how long that
// is; 0: it is none, or not whole. App 6.21.
func parseObjects(pdu []byte) (texts []string, n int) {
	const header = 7 // function, type, code, conformity, more, next, number
	if len(pdu) < header || pdu[0] != encapsulated || pdu[1] != identificationType {
		return nil, 0
	}
	p := pdu[header:]
	for range min(int(pdu[header-1]), maxObjects) {
		if len(p) < 2 || len(p) < 2+int(p[1]) {
			return nil, 0
		}
		text := strings.ToValidUTF8(strings.TrimSpace(strings.Trim(string(p[2:2+int(p[1])]), "\x00 ")), "\ufffd")
		texts = append(texts, text)
		p = p[2+int(p[1]):]
	}
	return texts, len(pdu) - len(p)
}

// identification answers function 43: maker, product and revision of the simulator.
func (m *simulator) identification(pdu []byte) []byte {
	if len(pdu) != 4 || pdu[1] != identificationType || pdu[2] != basicObjects {
		return []byte{pdu[0] | exceptionBit, byte(illegalFunction)}
	}
	objects := []string{"sensorgate", "simulator", "1"}
	answer := []byte{encapsulated, identificationType, basicObjects, basicObjects, 0, 0, byte(len(objects))}
	for id, text := range objects {
		answer = append(append(answer, byte(id), byte(len(text))), text...)
	}
	return answer
}
