package modbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// checkCondition is Check for a register that only one channel depends on.
func (i *Identity) checkCondition() error {
	if len(i.Others) > 0 {
		return &drivers.KeyError{Key: "others", Problem: "whatever is not in is counts as another one"}
	}
	return i.Check()
}

// present returns the items of the channels that this variant of the device has: makers have
// one map for several models, and what one of them does not have reads as anything there.
// What is left out is reported, and looked at again after a while: a battery may be added.
func (d *device) present(ctx context.Context, items []*item) (there []*item, err error) {
	read := map[string][]byte{}
	for _, i := range items {
		only := i.channel.o.Only
		if only == nil {
			there = append(there, i)
			continue
		}
		t, at, n := only.place()
		key := fmt.Sprint(t, at, n)
		p, known := read[key]
		if !known {
			p, _, err = d.read(ctx, t, at, n, time.Time{})
			if err != nil && !errors.As(err, new(exception)) {
				return nil, err
			}
			read[key] = p // nil: refused, so it is no device that would have the channel
		}
		if fault := d.without(only, p); fault != nil {
			d.channelFailed(i.channel, fmt.Errorf("%w: %w", drivers.ErrMissing, fault))
			d.again = time.Now().Add(refusedEvery)
			continue
		}
		there = append(there, i)
	}
	return there, nil
}

// without returns why a device whose condition register reads p has no such channel, nil if
// it has.
func (d *device) without(only *Identity, p []byte) error {
	value := "nothing"
	if p != nil {
		value = only.value(p, d.order)
	}
	if only.fits(value, only.Is) {
		return nil
	}
	t, at, _ := only.place()
	return fmt.Errorf("%s %d reads %s, which would be %s", t, at, value, strings.Join(only.Is, " or "))
}

// allowed refuses to write into what is something else on this variant of the device.
func (d *device) allowed(s *serial.Transaction, c *channel) error {
	only := c.o.Only
	if only == nil {
		return nil
	}
	t, at, n := only.place()
	p, _, err := d.transport.exchange(s, d.unit, readRequest(t, uint16(at), n))
	if err != nil && !errors.As(err, new(exception)) {
		return err
	}
	if fault := d.without(only, p); fault != nil {
		return fmt.Errorf("%w: this device does not have it: %w", drivers.ErrRefused, fault)
	}
	return nil
}
