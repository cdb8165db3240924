package gpio_test

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// decode fills options from "key=value key=value" by their toml tags, as the
// configuration does, so that a tag that is wrong fails a test here.
func decode(t *testing.T, o any, conf string) {
	t.Helper()
	for _, kv := range strings.Split(conf, ",") {
		if kv = strings.TrimSpace(kv); kv == "" {
			continue
		}
		key, value, _ := strings.Cut(kv, "=")
		if err := set(reflect.ValueOf(o).Elem(), strings.Split(key, "."), value); err != nil {
			t.Fatalf("%s: %v", kv, err)
		}
	}
}

type unknownKey string

func (k unknownKey) Error() string { return "no key " + string(k) }

func set(v reflect.Value, key []string, value string) error {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if len(key) > 0 {
		f, ok := field(v, key[0])
		if !ok {
			return unknownKey(key[0])
		}
		return set(f, key[1:], value)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(value))
	}
	var err error
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		*p, err = time.ParseDuration(value)
	case *string:
		*p = value
	case *float64:
		*p, err = strconv.ParseFloat(value, 64)
	case *bool:
		*p, err = strconv.ParseBool(value)
	}
	return err
}

func field(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			if inner, ok := field(v.Field(i), key); ok {
				return inner, true
			}
		}
		if f.Tag.Get("toml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}
