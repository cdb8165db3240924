package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"sensorgate/configs"
	"sensorgate/drivers/sim"
)

// Where the made-up day ends the demo's devices go on: no step shows in a plot, and no spike after it.
func TestDemoGoesOnWhereItsPastEnds(t *testing.T) {
	s := settings{path: writeConfig(t, "data = \"\"\n"+string(configs.Demo))}
	c, problems := s.read()
	if c == nil {
		t.Fatal(problems)
	}
	walks := 0
	for _, d := range c.Devices {
		for _, ch := range d.Config.Channels {
			o, ok := ch.Options.(*sim.ChannelOptions)
			past, known := demoPast[d.Name+"/"+ch.Name]
			if !ok || !known {
				continue
			}
			walks++
			if o.Shape != sim.Walk || o.Step > (o.To-o.From)/50 {
				t.Errorf("%s/%s is a %s of steps of %v: it runs through its range in minutes", d.Name, ch.Name, o.Shape, o.Step)
			}
			begins := (o.From + o.To) / 2
			if ends := past(demoHour, rand.New(rand.NewPCG(3, 4))); math.Abs(ends-begins) > (o.To-o.From)/12 {
				t.Errorf("%s/%s ends at %v and begins at %v", d.Name, ch.Name, ends, begins)
			}
		}
	}
	if walks != 4 {
		t.Errorf("%d channels have a past, want 4", walks)
	}
}
