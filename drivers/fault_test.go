package drivers

import (
	"errors"
	"fmt"
	"testing"
)

func TestFaultsOfChannelsAreFoundInWhatAPollReturns(t *testing.T) {
	dry := errors.New("register 7 refused")
	target := &ChannelError{"target", fmt.Errorf("0.7 is %w 5 to 30", ErrImplausible)}
	flow := &ChannelError{"flow", dry}
	for _, c := range []struct {
		name  string
		err   error
		wants map[string]string
		all   bool
	}{
		{"nothing", nil, map[string]string{}, true},
		{"one, wrapped", fmt.Errorf("modbus unit 3: %w", flow), map[string]string{"flow": "register 7 refused"}, true},
		{"two, joined", fmt.Errorf("unit: %w", errors.Join(target, flow)),
			map[string]string{"target": "0.7 is outside the plausible range 5 to 30", "flow": "register 7 refused"}, true},
		{"one beside the device's", errors.Join(flow, ErrNoAnswer), map[string]string{"flow": "register 7 refused"}, false},
		{"the device's alone", fmt.Errorf("x: %w", ErrNoAnswer), map[string]string{}, false},
	} {
		faults, all := ChannelFaults(c.err)
		if len(faults) != len(c.wants) || all != c.all {
			t.Errorf("%s: got %v, %v", c.name, faults, all)
		}
		for channel, want := range c.wants {
			if faults[channel] == nil || faults[channel].Error() != want {
				t.Errorf("%s: fault of %s is %v, want %s", c.name, channel, faults[channel], want)
			}
		}
	}
	if !errors.Is(fmt.Errorf("unit: %w", flow), dry) || !errors.Is(target, ErrImplausible) {
		t.Error("the cause is lost")
	}
	if got := flow.Error(); got != "flow: register 7 refused" {
		t.Errorf("reads as %q", got)
	}
}
