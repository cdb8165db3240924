package field

import (
	"fmt"
	"strings"
)

// Type of a number in bytes. The zero Type means u16.
type Type struct {
	kind kind
	size int
}

type kind uint8

const (
	undefined kind = iota
	unsigned
	signed
	float
	bcd
	truth
	text
)

var types = map[string]Type{
	"u8": {unsigned, 1}, "u16": {unsigned, 2}, "u24": {unsigned, 3}, "u32": {unsigned, 4}, "u48": {unsigned, 6}, "u64": {unsigned, 8},
	"s8": {signed, 1}, "s16": {signed, 2}, "s24": {signed, 3}, "s32": {signed, 4}, "s48": {signed, 6}, "s64": {signed, 8},
	"f32": {float, 4}, "f64": {float, 8},
	"bcd8": {bcd, 1}, "bcd16": {bcd, 2}, "bcd24": {bcd, 3}, "bcd32": {bcd, 4}, "bcd48": {bcd, 6},
	"bool": {truth, 1}, "text": {text, 0},
}

// otherNames are what people type who come from other programs.
var otherNames = map[string]string{
	"uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "byte": "u8", "word": "u16",
	"int8": "s8", "int16": "s16", "int32": "s32", "int64": "s64", "i8": "s8", "i16": "s16", "i32": "s32", "i64": "s64",
	"float": "f32", "float32": "f32", "double": "f64", "float64": "f64", "string": "text",
}

// UnmarshalText takes the name of a type.
func (t *Type) UnmarshalText(name []byte) error {
	if found, ok := types[string(name)]; ok {
		*t = found
		return nil
	}
	if ours, ok := otherNames[strings.ToLower(string(name))]; ok {
		return fmt.Errorf("found %q (try %q)", name, ours)
	}
	return fmt.Errorf("found %q, expected one of u8 to u64, s8 to s64, f32, f64, bcd8 to bcd48, bool, text", name)
}

// String returns the name.
func (t Type) String() string {
	for name, other := range types {
		if t == other {
			return name
		}
	}
	return "u16"
}

// Known reports whether a type was given.
func (t Type) Known() bool { return t.kind != undefined }

// IsText reports whether it is the type of texts.
func (t Type) IsText() bool { return t.kind == text }

// IsBool reports whether it is the type of booleans.
func (t Type) IsBool() bool { return t.kind == truth }

func (t Type) orDefault() Type {
	if t.kind == undefined {
		return Type{unsigned, 2}
	}
	return t
}

// Order of the bytes of a number. The zero Order is big-endian, ABCD.
type Order struct {
	words bool // the last 16-bit word comes first
	bytes bool // the low byte of each 16-bit word comes first
}

var orders = map[string]Order{
	"big": {}, "ABCD": {}, "AB": {}, "ABCDEFGH": {},
	"little": {words: true, bytes: true}, "DCBA": {words: true, bytes: true}, "BA": {words: true, bytes: true}, "HGFEDCBA": {words: true, bytes: true},
	"CDAB": {words: true}, "GHEFCDAB": {words: true},
	"BADC": {bytes: true}, "BADCFEHG": {bytes: true},
}

// UnmarshalText takes big, little, or the letters of the bytes as they arrive.
func (o *Order) UnmarshalText(name []byte) error {
	order, ok := orders[string(name)]
	if !ok {
		return fmt.Errorf("found %q, expected big, little, ABCD, DCBA, CDAB or BADC", name)
	}
	*o = order
	return nil
}

// toBig copies src to dst in big-endian order, or back again. They have one length.
func (o Order) toBig(dst, src []byte) {
	n := len(src)
	for i := range src {
		from := i
		switch {
		case o.words && o.bytes:
			from = n - 1 - i
		case o.words && n%2 == 0:
			from = n - 2 - i&^1 + i&1
		case o.bytes && n%2 == 0:
			from = i ^ 1
		}
		dst[i] = src[from]
	}
}
