package drivers

import (
	"math"
	"strconv"
	"time"
)

// Reading is one value a sensor gave, at the moment it was asked.
type Reading struct {
	Device  string // name from the configuration; Runner fills it in
	Channel string // what was measured: "temperature"
	Value   Value
	Unit    string    // as people write it: "°C", "%", "Pa", "kWh"; "" for none
	Time    time.Time // of sampling, with the monotonic clock (time.Now): a Pi's wall clock may be wrong
	Quality Quality
}

// Quality says how far a reading is to be trusted. A value that is known to be
// wrong is not a reading but an error.
type Quality uint8

const (
	Good      Quality = iota
	Uncertain         // the best that is known: pulses may have been missed while the power was off
)

// Value is a finite number, a boolean or a text. The zero Value is no value.
type Value struct {
	kind valueKind
	num  float64
	text string
}

type valueKind uint8

const (
	noValue valueKind = iota
	numberValue
	boolValue
	textValue
)

// Number makes a numeric value. Of NaN and infinities it makes no value at all: a failed
// read is an error, never a number.
func Number(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: numberValue, num: f}
}

// Bool makes a boolean value.
func Bool(b bool) Value {
	v := Value{kind: boolValue}
	if b {
		v.num = 1
	}
	return v
}

// Text makes a text value.
func Text(s string) Value { return Value{kind: textValue, text: s} }

// Valid reports whether v holds anything.
func (v Value) Valid() bool { return v.kind != noValue }

// Number returns the number, if v is one.
func (v Value) Number() (f float64, ok bool) { return v.num, v.kind == numberValue }

// Bool returns the boolean, if v is one.
func (v Value) Bool() (b, ok bool) { return v.num != 0, v.kind == boolValue }

// Text returns the text, if v is one.
func (v Value) Text() (s string, ok bool) { return v.text, v.kind == textValue }

// String returns the value as people read it: 21.5, true, ST.
func (v Value) String() string { return string(v.AppendText(nil)) }

// AppendText appends what String returns.
func (v Value) AppendText(b []byte) []byte {
	switch v.kind {
	case numberValue:
		return strconv.AppendFloat(b, v.num, 'f', -1, 64)
	case boolValue:
		return strconv.AppendBool(b, v.num != 0)
	default:
		return append(b, v.text...)
	}
}
