package status

import (
	"encoding/json"
	"fmt"

	"sensorgate/drivers"
)

// Value is a reading's value in JSON: a number, true or false, or a text; null is none.
type Value struct{ drivers.Value }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	if f, ok := v.Number(); ok {
		return json.Marshal(f)
	}
	if b, ok := v.Bool(); ok {
		return json.Marshal(b)
	}
	if s, ok := v.Text(); ok {
		return json.Marshal(s)
	}
	return []byte("null"), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(text []byte) error {
	var x any
	if err := json.Unmarshal(text, &x); err != nil {
		return err
	}
	switch x := x.(type) {
	case nil:
		v.Value = drivers.Value{}
	case float64:
		v.Value = drivers.Number(x)
	case bool:
		v.Value = drivers.Bool(x)
	case string:
		v.Value = drivers.Text(x)
	default:
		return fmt.Errorf("a value is a number, true, false or a text, not %s", text)
	}
	return nil
}
