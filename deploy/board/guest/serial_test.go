package guest

import (
	"testing"

	"sensorgate/drivers"
)

// An adapter that is pulled out in the middle of a frame: what was half there is not
// reported, the outage is, and after the plug the device goes on by itself, whatever
// number the kernel assigns it.
func TestUSBSerialUnpluggedInMidFrame(t *testing.T) {
	ctl(t, "serial usb0 sink")
	dev := start(t, `[device.scale]
driver = "lines"
serial = { usb = "0403:6001:BOARD0001", line = "9600 8N1" }
match  = '^ST,(?P<weight>[+-]\d+\.\d+)kg$'
[device.scale.channels]
weight = { unit = "kg" }
`)
	say := func(text string) { ctl(t, "serial usb0 send %s", text) }
	// The port is open when the first line gets through.
	settled := false
	for range 100 {
		say(`ST,+1.250kg\r\n`)
		dev.mu.Lock()
		settled = len(dev.readings) > 0
		dev.mu.Unlock()
		if settled {
			break
		}
		pauseFor(dev)
	}
	dev.value(t, "weight", near(1.25, 1e-9))
	say(`ST,+9.9`) // half a frame
	ctl(t, "usb unplug")
	dev.condition(t, drivers.Absent, "")
	ctl(t, "usb plug")
	for range 200 {
		if h := dev.Runner.Health(); h.State == drivers.OK {
			break
		}
		sayIfThere(t, `99kg\r\nST,+2.500kg\r\n`)
		pauseFor(dev)
	}
	dev.wait(t, "2.5 kg and nothing made of two halves", func(rs []drivers.Reading, _ []drivers.Health) bool {
		good := false
		for _, r := range rs {
			switch f, _ := r.Value.Number(); f {
			case 2.5:
				good = true
			case 1.25: // left over from before
			default:
				t.Errorf("reading of %v: made of two halves", f)
			}
		}
		return good
	})
}
