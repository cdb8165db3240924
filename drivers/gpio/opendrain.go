package gpio

import "sensorgate/drivers"

// OpenDrain takes a line that is pulled low or released, for the driver of something on
// another bus. It implements drivers.OpenDrainOpener.
func (c *Chips) OpenDrain(device, line string) (drivers.OpenDrain, error) {
	l, err := c.request(device, Ref(line), Config{Output: true, Value: true, Drive: OpenDrain})
	if err != nil {
		return nil, err
	}
	return openDrain{l}, nil
}

type openDrain struct{ line Line }

// Pull implements drivers.OpenDrain.
func (o openDrain) Pull(low bool) error { return o.line.Set(!low) }

// High implements drivers.OpenDrain.
func (o openDrain) High() (bool, error) { return o.line.Get() }

// Close implements drivers.OpenDrain. A line that is given back is an input.
func (o openDrain) Close() error {
	err := o.line.Set(true)
	if closed := o.line.Close(); err == nil {
		err = closed
	}
	return err
}
