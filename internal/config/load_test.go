package config

import (
	"testing"
	"time"
)

// The example that shows every kind of table is read without a fault.
func TestLoadWholeExample(t *testing.T) {
	c, ps := Load("testdata/whole.toml", fakeCatalogue())
	if c == nil {
		t.Fatalf("refused: %v", ps)
	}
	if len(ps) != 1 || !ps[0].Warning {
		t.Errorf("problems: %v, want one warning about /dev/ttyUSB0", ps)
	}
	if got := len(c.Devices); got != 11 {
		t.Errorf("%d devices, want 11", got)
	}
	grid := c.Devices[0]
	if grid.Config.Every != 5*time.Second || grid.Map.Topic("power") != "barn-pi/grid/power" || grid.Map.Bus != "meters" {
		t.Errorf("grid is every %v on %s, bus %q", grid.Config.Every, grid.Map.Topic("power"), grid.Map.Bus)
	}
	if got := grid.Config.Channels[3]; got.Name != "energy" || got.Every != time.Minute {
		t.Errorf("grid's fourth channel is %+v, want energy every minute", got)
	}
	if grid2 := c.Devices[1]; grid2.Config.Every != 10*time.Second || len(grid2.Map.Channels) != 2 {
		t.Errorf("grid2 has not got what its model says: %+v", grid2)
	}
	cloud := c.Bridges[0]
	if got, want := cloud.Rules[1].Remote, "sites/42/energy/{1}/barn-pi"; got != want {
		t.Errorf("second rule sends to %q, want %q", got, want)
	}
}
